-- What commands chose that families be, and what the configuration said when they did: when it says something else, the
-- choice is over. `seq` counts the choices of all families and is never used twice. Stores are a JSON list of names.
CREATE TABLE family_choice (
    seq                    INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    family                 TEXT    NOT NULL UNIQUE,
    suite                  TEXT    NOT NULL,
    alternative            TEXT,
    stores                 TEXT    NOT NULL,
    configured_suite       TEXT    NOT NULL,
    configured_alternative TEXT,
    configured_stores      TEXT    NOT NULL,
    notice                 INTEGER NOT NULL,
    chosen_at              INTEGER NOT NULL,
    chosen_by              TEXT    NOT NULL
) STRICT;

-- Step 5 let all that were old have signed since they were made. Of those that became old when no other of their family
-- became active, it is not so.
UPDATE authority SET activated_at = NULL
WHERE state = 'old' AND activated_at = created_at AND NOT EXISTS (
    SELECT 1 FROM authority AS successor
    WHERE successor.family = authority.family AND successor.seq <> authority.seq
      AND successor.activated_at = authority.changed_at
);

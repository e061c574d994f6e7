-- Every change of the rules by which entries migrate from one family of algorithms to another, oldest first. What is in
-- force follows from reading them in order; `target` and `stage` are NULL where a rule was taken away, `stage` alone where
-- it keeps its entries out. A revision is never used twice.
CREATE TABLE migration_change (
    revision   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    -- The entries that the rule is about; empty for all.
    entries    TEXT    NOT NULL,
    target     TEXT,
    stage      TEXT,
    changed_at INTEGER NOT NULL,
    changed_by TEXT    NOT NULL,
    forced     INTEGER NOT NULL,
    reason     TEXT    NOT NULL
) STRICT;

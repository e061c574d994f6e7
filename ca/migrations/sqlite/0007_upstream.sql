-- What leads from an authority to the root above it: the certificates between the two, one after the other, and the root's
-- subject key identifier. NULL for authorities that signed themselves.
ALTER TABLE authority ADD COLUMN chain BLOB;
ALTER TABLE authority ADD COLUMN upstream_id TEXT;

-- Authorities whose key was made, and whose certificate others are to bring. `keys` is as it is read from `authority_key`.
CREATE TABLE authority_request (
    family      TEXT    NOT NULL PRIMARY KEY,
    suite       TEXT    NOT NULL,
    alternative TEXT,
    csr         BLOB    NOT NULL,
    keys        TEXT    NOT NULL,
    created_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What commands tainted here, of what upstreams put into the bundle: it is tainted again whenever they bring it back.
CREATE TABLE tainted_here (
    kind       TEXT NOT NULL,
    material   BLOB NOT NULL,
    expires_at INTEGER,
    PRIMARY KEY (kind, material)
) STRICT, WITHOUT ROWID;

-- Moments are whole seconds since 1970. Hashes and serial numbers are bytes. Names of states, profiles, families,
-- suites and forms are the words that the program shows. A listing's pages are positions in `seq`, which is never
-- used twice.

CREATE TABLE metadata (
    key   TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The trust bundle's sequence number: one row.
CREATE TABLE bundle (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    sequence INTEGER NOT NULL
) STRICT;
INSERT INTO bundle (only_row, sequence) VALUES (1, 0);

CREATE TABLE authority (
    seq          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    authority_id TEXT    NOT NULL UNIQUE,
    family       TEXT    NOT NULL,
    suite        TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('prepared', 'active', 'old', 'tainted', 'revoked')),
    -- NULL: `material` is a certificate; otherwise it is the SPKI of the JWT key with this `kid`.
    jwt_key_id   TEXT,
    material     BLOB    NOT NULL,
    not_before   INTEGER NOT NULL,
    not_after    INTEGER NOT NULL,
    created_at   INTEGER NOT NULL,
    changed_at   INTEGER NOT NULL
) STRICT;
-- At most one authority of a family signs, and at most one is next.
CREATE UNIQUE INDEX authority_active ON authority (family) WHERE state = 'active';
CREATE UNIQUE INDEX authority_prepared ON authority (family) WHERE state = 'prepared';

CREATE TABLE authority_key (
    authority_seq INTEGER NOT NULL REFERENCES authority (seq) ON DELETE CASCADE,
    position      INTEGER NOT NULL,
    role          TEXT    NOT NULL,
    store         TEXT    NOT NULL,
    key_id        TEXT    NOT NULL,
    spki_sha256   BLOB    NOT NULL,
    PRIMARY KEY (authority_seq, position)
) STRICT, WITHOUT ROWID;

-- Outlives what it names: no component key is ever used twice.
CREATE TABLE component_key (
    spki_sha256 BLOB    NOT NULL PRIMARY KEY,
    owner       TEXT    NOT NULL,
    claimed_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE certificate (
    seq           INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    serial        BLOB    NOT NULL UNIQUE,
    profile       TEXT    NOT NULL,
    spiffe_id     TEXT    NOT NULL,
    form          TEXT    NOT NULL,
    suite         TEXT    NOT NULL,
    key_algorithm TEXT    NOT NULL,
    issuer        TEXT    NOT NULL,
    not_before    INTEGER NOT NULL,
    not_after     INTEGER NOT NULL,
    entry_id      TEXT,
    recorded_at   INTEGER NOT NULL
) STRICT;
CREATE INDEX certificate_spiffe_id ON certificate (spiffe_id);
CREATE INDEX certificate_not_after ON certificate (not_after);

-- The bytes stand apart, so that looking through many certificates does not read them, and recording them only
-- ever appends. The hash comes first: a listing reads it without the bytes.
CREATE TABLE issued_certificate (
    certificate_seq INTEGER NOT NULL PRIMARY KEY REFERENCES certificate (seq) ON DELETE CASCADE,
    sha256          BLOB    NOT NULL,
    der             BLOB    NOT NULL
) STRICT;

CREATE TABLE entry (
    seq                        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    id                         TEXT    NOT NULL UNIQUE,
    -- SHA-256 over parent, identity and selectors: no two entries agree in all three.
    likeness                   BLOB    NOT NULL UNIQUE,
    spiffe_id                  TEXT    NOT NULL,
    parent_id                  TEXT    NOT NULL,
    x509_svid_ttl              INTEGER,
    jwt_svid_ttl               INTEGER,
    admin                      INTEGER NOT NULL,
    downstream                 INTEGER NOT NULL,
    expires_at                 INTEGER,
    dns_names                  TEXT    NOT NULL,
    revision_number            INTEGER NOT NULL,
    store_svid                 INTEGER NOT NULL,
    hint                       TEXT    NOT NULL,
    created_at                 INTEGER NOT NULL,
    disable_x509_svid_prefetch INTEGER NOT NULL,
    jwt_svid_include_jti       INTEGER NOT NULL
) STRICT;
CREATE INDEX entry_spiffe_id ON entry (spiffe_id);
CREATE INDEX entry_parent_id ON entry (parent_id);
CREATE INDEX entry_expires_at ON entry (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE entry_selector (
    entry_seq INTEGER NOT NULL REFERENCES entry (seq) ON DELETE CASCADE,
    kind      TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    PRIMARY KEY (entry_seq, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_selector_value ON entry_selector (kind, value);

CREATE TABLE entry_federates_with (
    entry_seq    INTEGER NOT NULL REFERENCES entry (seq) ON DELETE CASCADE,
    trust_domain TEXT    NOT NULL,
    PRIMARY KEY (entry_seq, trust_domain)
) STRICT, WITHOUT ROWID;
CREATE INDEX entry_federates_with_trust_domain ON entry_federates_with (trust_domain);

CREATE TABLE agent (
    seq                INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    spiffe_id          TEXT    NOT NULL UNIQUE,
    attestation_type   TEXT    NOT NULL,
    serial             BLOB    NOT NULL,
    expires_at         INTEGER NOT NULL,
    renewed_serial     BLOB,
    renewed_expires_at INTEGER,
    banned             INTEGER NOT NULL,
    can_reattest       INTEGER NOT NULL,
    agent_version      TEXT,
    attested_at        INTEGER NOT NULL,
    CHECK ((renewed_serial IS NULL) = (renewed_expires_at IS NULL))
) STRICT;
CREATE INDEX agent_expires_at ON agent (expires_at);

CREATE TABLE agent_selector (
    agent_seq INTEGER NOT NULL REFERENCES agent (seq) ON DELETE CASCADE,
    kind      TEXT    NOT NULL,
    value     TEXT    NOT NULL,
    PRIMARY KEY (agent_seq, kind, value)
) STRICT, WITHOUT ROWID;
CREATE INDEX agent_selector_value ON agent_selector (kind, value);

CREATE TABLE join_token (
    sha256     BLOB    NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    agent_id   TEXT,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX join_token_expires_at ON join_token (expires_at);

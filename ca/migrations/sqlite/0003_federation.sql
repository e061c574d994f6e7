-- Bundles of other trust domains. `sequence` is their own count, 64 bits without a sign, kept as the same bits with one.
CREATE TABLE federated_bundle (
    seq          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    trust_domain TEXT    NOT NULL UNIQUE,
    sequence     INTEGER NOT NULL,
    refresh_hint INTEGER
) STRICT;

-- What is in them, in the order in which it was given. `material` is a certificate, or the SPKI of the key that signs
-- tokens under this `kid`.
CREATE TABLE federated_authority (
    bundle_seq INTEGER NOT NULL REFERENCES federated_bundle (seq) ON DELETE CASCADE,
    position   INTEGER NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('x509', 'jwt', 'wit')),
    key_id     TEXT,
    material   BLOB    NOT NULL,
    expires_at INTEGER,
    tainted    INTEGER NOT NULL,
    PRIMARY KEY (bundle_seq, position),
    CHECK ((kind = 'x509') = (key_id IS NULL))
) STRICT, WITHOUT ROWID;

-- Where they are fetched from.
CREATE TABLE federation_relationship (
    seq          INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    trust_domain TEXT    NOT NULL UNIQUE,
    endpoint_url TEXT    NOT NULL,
    profile      TEXT    NOT NULL CHECK (profile IN ('https_web', 'https_spiffe')),
    endpoint_id  TEXT,
    CHECK ((profile = 'https_spiffe') = (endpoint_id IS NOT NULL))
) STRICT;

-- What others put into this trust domain's own bundle: authorities whose keys no server of this datastore holds.
CREATE TABLE appended_authority (
    seq        INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    kind       TEXT    NOT NULL CHECK (kind IN ('x509', 'jwt', 'wit')),
    key_id     TEXT,
    material   BLOB    NOT NULL,
    -- NULL: never.
    expires_at INTEGER,
    tainted    INTEGER NOT NULL,
    UNIQUE (kind, material),
    CHECK ((kind = 'x509') = (key_id IS NULL))
) STRICT;
CREATE UNIQUE INDEX appended_authority_key_id ON appended_authority (kind, key_id) WHERE key_id IS NOT NULL;

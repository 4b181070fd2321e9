-- What the authorization server must remember. Times are seconds since 1970 UTC. JSON columns hold what is read whole and never searched.

CREATE TABLE clients (
    client_id TEXT PRIMARY KEY,
    record TEXT NOT NULL,          -- JSON: grant types, scopes, redirect URIs, profiles, public keys
    secret_hash BLOB,              -- SHA-256 of a 256-bit random secret
    disabled INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE resource_servers (
    rs_id TEXT PRIMARY KEY,
    record TEXT NOT NULL,          -- JSON: scope map, token format, lifetimes, profiles, public key
    disabled INTEGER NOT NULL DEFAULT 0,
    exi_sequence INTEGER NOT NULL DEFAULT 0, -- the highest sequence number given to an exi token (RFC 9200 5.10.3)
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE audiences (           -- more than one row of an audience: a group audience
    audience TEXT NOT NULL,
    rs_id TEXT NOT NULL REFERENCES resource_servers (rs_id) ON DELETE CASCADE,
    PRIMARY KEY (audience, rs_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE users (
    user_id TEXT PRIMARY KEY,
    password_hash TEXT NOT NULL,   -- argon2id
    scopes TEXT NOT NULL,          -- JSON: audience -> scopes the user may approve
    disabled INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE consents (
    user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    client_id TEXT NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
    audience TEXT NOT NULL,
    scope TEXT NOT NULL,
    granted_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, client_id, audience)
) STRICT, WITHOUT ROWID;

CREATE TABLE authorization_codes (
    code_hash BLOB PRIMARY KEY,    -- SHA-256 of a 256-bit random code
    client_id TEXT NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
    user_id TEXT NOT NULL REFERENCES users (user_id) ON DELETE CASCADE,
    redirect_uri TEXT NOT NULL,
    code_challenge TEXT NOT NULL,
    audience TEXT NOT NULL,
    scope TEXT NOT NULL,
    requested_scope TEXT NOT NULL, -- what the client asked for; differs when the user approved less
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX authorization_codes_expiry ON authorization_codes (expires_at);

CREATE TABLE tokens (
    token_id INTEGER PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE, -- SHA-256 of its base64url text (RFC 9770 4.2.1); the token is never kept
    token_format TEXT NOT NULL,
    client_id TEXT NOT NULL REFERENCES clients (client_id) ON DELETE CASCADE,
    user_id TEXT REFERENCES users (user_id) ON DELETE CASCADE,
    audience TEXT NOT NULL,
    scope ANY NOT NULL,            -- TEXT, or BLOB with AIF (RFC 9237)
    claims BLOB NOT NULL,          -- CBOR: what introspection tells; holds key material for reference tokens only
    pop_kid BLOB,                  -- id of the OSCORE input material, for updates of access rights (RFC 9203 3.1)
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER,
    parent_id INTEGER REFERENCES tokens (token_id) ON DELETE CASCADE, -- the token it was exchanged for (RFC 8693)
    code_hash BLOB                 -- the authorization code it was issued for
) STRICT;
CREATE INDEX tokens_expiry ON tokens (expires_at);
CREATE INDEX tokens_parent ON tokens (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX tokens_code ON tokens (code_hash) WHERE code_hash IS NOT NULL;
CREATE INDEX tokens_pop ON tokens (client_id, audience, pop_kid) WHERE pop_kid IS NOT NULL;

CREATE TABLE keys (
    kid BLOB PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('sign', 'encrypt')),
    rs_id TEXT REFERENCES resource_servers (rs_id) ON DELETE CASCADE, -- encrypt: whose; sign: NULL
    alg INTEGER NOT NULL,
    secret BLOB NOT NULL,          -- sign: the P-256 scalar, 32 bytes; encrypt: the AES key
    state TEXT NOT NULL CHECK (state IN ('next', 'current', 'retired')),
    created_at INTEGER NOT NULL,
    retired_until INTEGER,         -- retired: devices still hold it until then
    CHECK ((role = 'encrypt') = (rs_id IS NOT NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX keys_one_of_a_state ON keys (role, ifnull(rs_id, ''), state) WHERE state <> 'retired';

CREATE TABLE oscore_parties (
    recipient_id BLOB PRIMARY KEY, -- the party's Sender ID
    sender_id BLOB NOT NULL,       -- the AS's
    master_secret BLOB NOT NULL,
    master_salt BLOB NOT NULL,
    client_id TEXT UNIQUE REFERENCES clients (client_id) ON DELETE CASCADE,
    rs_id TEXT UNIQUE REFERENCES resource_servers (rs_id) ON DELETE CASCADE,
    sequence_reserved INTEGER NOT NULL DEFAULT 0, -- every Partial IV below may have been used
    created_at INTEGER NOT NULL,
    CHECK (client_id IS NOT NULL OR rs_id IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    audit_id INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    event TEXT NOT NULL,
    client_id TEXT,
    rs_id TEXT,
    user_id TEXT,
    token_id INTEGER,
    reason TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX audit_at ON audit (at);

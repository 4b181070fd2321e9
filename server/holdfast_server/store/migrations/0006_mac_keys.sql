-- Keys that MAC tokens, beside those that sign and encrypt them. SQLite changes no CHECK, so the table is made anew.

CREATE TABLE keys_with_mac (
    kid BLOB PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('sign', 'encrypt', 'mac')),
    rs_id TEXT REFERENCES resource_servers (rs_id) ON DELETE CASCADE, -- encrypt, mac: whose; sign: NULL
    alg INTEGER NOT NULL,
    secret BLOB NOT NULL,          -- sign: the P-256 scalar, 32 bytes; encrypt: the AES key; mac: the HMAC key
    state TEXT NOT NULL CHECK (state IN ('next', 'current', 'retired')),
    created_at INTEGER NOT NULL,
    retired_until INTEGER,         -- retired: devices still hold it until then
    CHECK ((role = 'sign') = (rs_id IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO keys_with_mac (kid, role, rs_id, alg, secret, state, created_at, retired_until)
    SELECT kid, role, rs_id, alg, secret, state, created_at, retired_until FROM keys;
DROP TABLE keys;
ALTER TABLE keys_with_mac RENAME TO keys;
CREATE UNIQUE INDEX keys_one_of_a_state ON keys (role, ifnull(rs_id, ''), state) WHERE state <> 'retired';

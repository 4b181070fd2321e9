-- Keys of the server's own that are no token keys: those of the browsers' cookies; and the logins that were ended.

CREATE TABLE server_secrets (
    name TEXT PRIMARY KEY,
    secret BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE ended_sessions (
    nonce BLOB PRIMARY KEY
) STRICT, WITHOUT ROWID;

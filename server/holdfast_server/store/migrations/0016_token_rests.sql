-- Of tokens whose clients carry only the part that proves: what a hub gets for the handle, to complete them.

CREATE TABLE token_rests (
    handle BLOB PRIMARY KEY,
    token_id INTEGER NOT NULL REFERENCES tokens (token_id) ON DELETE CASCADE,
    rest BLOB NOT NULL
) STRICT;
CREATE INDEX token_rests_token ON token_rests (token_id);

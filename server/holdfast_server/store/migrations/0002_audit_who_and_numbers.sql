-- Who did it and from where, and numbers that are never given twice, whatever was deleted in between.

ALTER TABLE audit ADD COLUMN address TEXT NOT NULL DEFAULT '';   -- where a request came from
ALTER TABLE audit ADD COLUMN operator TEXT NOT NULL DEFAULT '';  -- who ran the command
ALTER TABLE audit ADD COLUMN client_number INTEGER;              -- which of the clients that ever had this id
ALTER TABLE audit ADD COLUMN rs_number INTEGER;
ALTER TABLE audit ADD COLUMN user_number INTEGER;

ALTER TABLE clients ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE resource_servers ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
UPDATE clients SET number = rowid;
UPDATE resource_servers SET number = rowid;
UPDATE users SET number = rowid;

CREATE TABLE sequences (           -- the last number of each kind that was given away
    kind TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO sequences SELECT 'client', ifnull(max(number), 0) FROM clients;
INSERT INTO sequences SELECT 'rs', ifnull(max(number), 0) FROM resource_servers;
INSERT INTO sequences SELECT 'user', ifnull(max(number), 0) FROM users;
INSERT INTO sequences SELECT 'token', max(
    ifnull((SELECT max(token_id) FROM tokens), 0), ifnull((SELECT max(token_id) FROM audit), 0));

-- Which keys of the server each device was given with its last export.

CREATE TABLE device_keys (
    rs_id TEXT NOT NULL REFERENCES resource_servers (rs_id) ON DELETE CASCADE,
    kid BLOB NOT NULL,
    PRIMARY KEY (rs_id, kid)
) STRICT, WITHOUT ROWID;
CREATE INDEX device_keys_kid ON device_keys (kid);

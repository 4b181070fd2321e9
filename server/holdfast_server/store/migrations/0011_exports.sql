-- What each device was told when it was last exported, without its secrets: so a change can say which need to be told again.

CREATE TABLE exports (
    rs_id TEXT PRIMARY KEY REFERENCES resource_servers (rs_id) ON DELETE CASCADE,
    exported_at INTEGER NOT NULL,
    told TEXT NOT NULL             -- JSON: a digest of each part, and the ids of its keys
) STRICT, WITHOUT ROWID;

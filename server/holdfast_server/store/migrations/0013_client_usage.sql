-- What each client has used, so that a bound on its live tokens needs no counting. The triggers keep live_tokens and issued.

CREATE TABLE client_usage (
    client_id TEXT PRIMARY KEY REFERENCES clients (client_id) ON DELETE CASCADE,
    live_tokens INTEGER NOT NULL DEFAULT 0, -- not revoked, and not yet deleted after their end
    issued INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0,
    limited INTEGER NOT NULL DEFAULT 0, -- of the refused: by quota
    last_at INTEGER
) STRICT, WITHOUT ROWID;
INSERT INTO client_usage (client_id, live_tokens, issued)
    SELECT client_id, count(*) FILTER (WHERE revoked_at IS NULL), count(*) FROM tokens GROUP BY client_id;

CREATE TRIGGER token_added AFTER INSERT ON tokens BEGIN
    INSERT INTO client_usage (client_id, live_tokens, issued) VALUES (new.client_id, 1, 1)
        ON CONFLICT (client_id) DO UPDATE SET live_tokens = live_tokens + 1, issued = issued + 1;
END;
CREATE TRIGGER token_revoked AFTER UPDATE OF revoked_at ON tokens
    WHEN old.revoked_at IS NULL AND new.revoked_at IS NOT NULL BEGIN
    UPDATE client_usage SET live_tokens = live_tokens - 1 WHERE client_id = new.client_id;
END;
CREATE TRIGGER token_deleted AFTER DELETE ON tokens WHEN old.revoked_at IS NULL BEGIN
    UPDATE client_usage SET live_tokens = live_tokens - 1 WHERE client_id = old.client_id;
END;

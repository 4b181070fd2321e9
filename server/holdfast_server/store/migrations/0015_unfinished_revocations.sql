-- Revoked tokens of which not all that was exchanged for them is revoked yet; a token goes from here when it is done.

CREATE TABLE unfinished_revocations (
    token_id INTEGER PRIMARY KEY REFERENCES tokens (token_id) ON DELETE CASCADE,
    reason TEXT NOT NULL, -- and address: of the audit
    address TEXT NOT NULL,
    revoked INTEGER NOT NULL DEFAULT 0 -- so many of them, up to now
) STRICT;
CREATE INDEX tokens_live_of_parent ON tokens (parent_id) WHERE parent_id IS NOT NULL AND revoked_at IS NULL;

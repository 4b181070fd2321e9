-- What was known of the time when the server last ran (clock_guard.py).

CREATE TABLE clock (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    seen_s INTEGER NOT NULL,       -- the last time that was believed
    swept_s INTEGER NOT NULL,      -- what ended before this may be deleted
    accepted INTEGER NOT NULL DEFAULT 0 -- how often the operator has said that the clock is right
) STRICT;

-- Where this database was served last (store/home.py), and the replay windows that a clean stop kept.

CREATE TABLE home (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    server BLOB NOT NULL,          -- random, drawn when the server was made
    marker TEXT NOT NULL,          -- of the file start-MARKER beside the database
    clean INTEGER NOT NULL         -- the last stop was in order
) STRICT;

ALTER TABLE oscore_parties ADD COLUMN replay_highest INTEGER; -- NULL: what was received is not known; -1: nothing was
ALTER TABLE oscore_parties ADD COLUMN replay_seen INTEGER;    -- bit i: number replay_highest - i was received

"""The spool: what waits on disk until its device wakes or the broker is back; the only room that knows SQLite."""

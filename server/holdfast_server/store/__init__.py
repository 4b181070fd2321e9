"""What must not be forgotten: one SQLite database, and the rows of each kind.  It decides nothing."""

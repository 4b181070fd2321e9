"""Where devices are: the table of them, the file that it is read from, and which of them can be reached now."""

"""`holdfast hub ...`: a file for each group of commands."""

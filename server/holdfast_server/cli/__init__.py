"""`holdfast server ...`: a file for each group of commands."""

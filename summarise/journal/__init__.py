"""The results file: one SQLite database that is written in whole documents and read by everyone."""

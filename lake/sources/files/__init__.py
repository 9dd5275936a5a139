"""Files in a folder: CSV, NDJSON and the combined web log, each read once."""

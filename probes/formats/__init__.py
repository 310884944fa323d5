"""What files are written in: one module a format, from an open file to batches of named text columns."""

"""Look where a database was at a time, and take it back there."""

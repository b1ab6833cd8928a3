"""Make databases, run SQL on them, migrate them, and travel in their time."""

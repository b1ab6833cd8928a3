"""Write, list and apply migrations: SQL files, each applied once, in order."""

-- Notes, and when they were written.
CREATE TABLE notes (
  id INTEGER PRIMARY KEY,
  title TEXT NOT NULL UNIQUE,
  text TEXT NOT NULL DEFAULT '',
  written_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
);

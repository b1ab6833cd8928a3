-- Migration number: 0001
CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT UNIQUE, "first-seen" TEXT);
CREATE TRIGGER IF NOT EXISTS lower AFTER INSERT ON users BEGIN
  UPDATE users SET name = lower(name) WHERE id = new.id; -- it's all lower case; really
END;

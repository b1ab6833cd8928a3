"""The tables of every store, and how they came to be: each change is one more script at the end."""

from __future__ import annotations

from typing import Final

MIGRATIONS: Final = (
    """
    CREATE TABLE instances (
        key         INTEGER PRIMARY KEY,
        workflow    TEXT NOT NULL,
        id          TEXT NOT NULL,
        version     TEXT NOT NULL,
        status      TEXT NOT NULL,
        epoch       INTEGER NOT NULL DEFAULT 0,
        owner       TEXT,
        wake_at     INTEGER,
        awaits      TEXT,
        created_at  INTEGER NOT NULL,
        modified_at INTEGER NOT NULL,
        started_at  INTEGER,
        ended_at    INTEGER,
        trigger     TEXT NOT NULL,
        params      BLOB NOT NULL,
        output      BLOB,
        failure     BLOB,
        UNIQUE (workflow, id)
    );
    CREATE INDEX instances_by_status ON instances (workflow, status);
    CREATE INDEX instances_due ON instances (workflow, wake_at) WHERE wake_at IS NOT NULL;
    CREATE INDEX instances_owned ON instances (owner) WHERE owner IS NOT NULL;

    CREATE TABLE records (
        position INTEGER PRIMARY KEY,
        instance INTEGER,
        seq      INTEGER NOT NULL,
        tag      INTEGER NOT NULL,
        at       INTEGER NOT NULL,
        body     BLOB NOT NULL
    );
    CREATE UNIQUE INDEX records_by_instance ON records (instance, seq) WHERE instance IS NOT NULL;
    CREATE INDEX records_of_workers ON records (at) WHERE instance IS NULL;

    CREATE TABLE inbox (
        number   INTEGER PRIMARY KEY AUTOINCREMENT,
        instance INTEGER NOT NULL,
        type     TEXT NOT NULL,
        payload  BLOB NOT NULL,
        sent_at  INTEGER NOT NULL
    );
    CREATE INDEX inbox_by_instance ON inbox (instance, number);

    CREATE TABLE cells (
        space      TEXT NOT NULL,
        key        TEXT NOT NULL,
        meta       BLOB NOT NULL,
        expires_at INTEGER,
        value      BLOB NOT NULL,
        UNIQUE (space, key)
    );
    CREATE INDEX cells_by_expiry ON cells (expires_at) WHERE expires_at IS NOT NULL;

    CREATE TABLE marks (
        name  TEXT PRIMARY KEY,
        value INTEGER NOT NULL
    );
    """,
    """
    ALTER TABLE instances ADD COLUMN seed                 BLOB NOT NULL DEFAULT x'';
    ALTER TABLE instances ADD COLUMN rollback             BLOB;
    ALTER TABLE instances ADD COLUMN shown                BLOB;
    ALTER TABLE instances ADD COLUMN success_retention_ms INTEGER;
    ALTER TABLE instances ADD COLUMN error_retention_ms   INTEGER;
    ALTER TABLE instances ADD COLUMN expires_at           INTEGER;
    ALTER TABLE instances ADD COLUMN parent               INTEGER;
    ALTER TABLE instances ADD COLUMN awaited              TEXT;
    ALTER TABLE instances ADD COLUMN follows              INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX instances_by_expiry ON instances (expires_at) WHERE expires_at IS NOT NULL;
    CREATE INDEX instances_by_parent ON instances (parent) WHERE parent IS NOT NULL;

    CREATE TABLE tags (
        instance INTEGER NOT NULL,
        workflow TEXT NOT NULL,
        tag      TEXT NOT NULL,
        UNIQUE (instance, tag)
    );
    CREATE INDEX instances_by_tag ON tags (workflow, tag, instance);
    """,
    """
    ALTER TABLE instances ADD COLUMN priority        INTEGER NOT NULL DEFAULT 3;
    ALTER TABLE instances ADD COLUMN concurrency_key TEXT;
    ALTER TABLE instances ADD COLUMN aside           INTEGER NOT NULL DEFAULT 0;
    DROP INDEX instances_due;
    CREATE INDEX instances_due ON instances (workflow, wake_at, key) WHERE wake_at IS NOT NULL AND aside = 0;
    CREATE INDEX instances_ready ON instances (workflow, priority, key)
        WHERE status = 'queued' AND aside = 0;
    CREATE INDEX instances_in_line ON instances (workflow, concurrency_key, aside, priority, key)
        WHERE status = 'queued' AND concurrency_key IS NOT NULL;
    CREATE INDEX instances_due_aside ON instances (workflow, concurrency_key, wake_at, key)
        WHERE wake_at IS NOT NULL AND aside = 1;
    CREATE INDEX instances_held ON instances (workflow, concurrency_key)
        WHERE owner IS NOT NULL AND concurrency_key IS NOT NULL;

    CREATE TRIGGER instances_stand_in_line AFTER INSERT ON instances WHEN NEW.concurrency_key IS NOT NULL
    BEGIN
        UPDATE instances SET aside = 1 WHERE key = NEW.key AND EXISTS (
            SELECT 1 FROM instances AS other
            WHERE other.workflow = NEW.workflow AND other.concurrency_key = NEW.concurrency_key
              AND other.status = 'queued' AND other.aside IN (0, 1) AND other.priority <= NEW.priority
              AND other.key <> NEW.key
        );
    END;
    CREATE TRIGGER instances_make_room AFTER UPDATE OF owner, status ON instances
    WHEN OLD.concurrency_key IS NOT NULL AND OLD.aside = 0 AND NEW.owner IS NULL
        AND (OLD.owner IS NOT NULL OR OLD.status <> NEW.status)
    BEGIN
        UPDATE instances SET aside = 0 WHERE key = coalesce(
            (SELECT next.key FROM instances AS next
             WHERE next.workflow = OLD.workflow AND next.concurrency_key = OLD.concurrency_key
               AND next.wake_at IS NOT NULL AND next.aside = 1 ORDER BY next.wake_at, next.key LIMIT 1),
            (SELECT next.key FROM instances AS next
             WHERE next.workflow = OLD.workflow AND next.concurrency_key = OLD.concurrency_key
               AND next.status = 'queued' AND next.aside = 1 ORDER BY next.priority, next.key LIMIT 1)
        );
    END;
    CREATE TRIGGER instances_leave_room AFTER DELETE ON instances
    WHEN OLD.concurrency_key IS NOT NULL AND OLD.aside = 0
        AND OLD.status NOT IN ('complete', 'errored', 'terminated')
    BEGIN
        UPDATE instances SET aside = 0 WHERE key = coalesce(
            (SELECT next.key FROM instances AS next
             WHERE next.workflow = OLD.workflow AND next.concurrency_key = OLD.concurrency_key
               AND next.wake_at IS NOT NULL AND next.aside = 1 ORDER BY next.wake_at, next.key LIMIT 1),
            (SELECT next.key FROM instances AS next
             WHERE next.workflow = OLD.workflow AND next.concurrency_key = OLD.concurrency_key
               AND next.status = 'queued' AND next.aside = 1 ORDER BY next.priority, next.key LIMIT 1)
        );
    END;
    """,
    """
    CREATE TABLE tallies (
        workflow TEXT NOT NULL,
        status   TEXT NOT NULL,
        version  TEXT NOT NULL,
        block    INTEGER NOT NULL,
        count    INTEGER NOT NULL,
        PRIMARY KEY (workflow, status, version, block)
    ) WITHOUT ROWID;
    INSERT INTO tallies (workflow, status, version, block, count)
        SELECT workflow, status, version, key / 8192, count(*) FROM instances
        GROUP BY workflow, status, version, key / 8192;
    CREATE TRIGGER instances_counted AFTER INSERT ON instances
    BEGIN
        INSERT INTO tallies (workflow, status, version, block, count)
            VALUES (NEW.workflow, NEW.status, NEW.version, NEW.key / 8192, 1)
            ON CONFLICT (workflow, status, version, block) DO UPDATE SET count = count + 1;
    END;
    CREATE TRIGGER instances_counted_anew AFTER UPDATE OF status, version ON instances
    WHEN OLD.status <> NEW.status OR OLD.version <> NEW.version
    BEGIN
        UPDATE tallies SET count = count - 1
            WHERE workflow = OLD.workflow AND status = OLD.status AND version = OLD.version
              AND block = OLD.key / 8192;
        INSERT INTO tallies (workflow, status, version, block, count)
            VALUES (NEW.workflow, NEW.status, NEW.version, NEW.key / 8192, 1)
            ON CONFLICT (workflow, status, version, block) DO UPDATE SET count = count + 1;
    END;
    CREATE TRIGGER instances_counted_out AFTER DELETE ON instances
    BEGIN
        UPDATE tallies SET count = count - 1
            WHERE workflow = OLD.workflow AND status = OLD.status AND version = OLD.version
              AND block = OLD.key / 8192;
    END;

    CREATE TABLE remains (instance INTEGER PRIMARY KEY);
    DROP INDEX instances_owned;
    """,
    """
    CREATE TABLE messages (
        number       INTEGER PRIMARY KEY AUTOINCREMENT,
        queue        TEXT NOT NULL,
        due_at       INTEGER NOT NULL,
        attempts     INTEGER NOT NULL DEFAULT 0,
        sent_at      INTEGER NOT NULL,
        expires_at   INTEGER NOT NULL,
        id           TEXT NOT NULL,
        content_type TEXT NOT NULL,
        body         BLOB NOT NULL
    );
    CREATE INDEX messages_due ON messages (queue, due_at, number);
    CREATE INDEX messages_by_expiry ON messages (queue, expires_at);

    CREATE TABLE backlogs (
        queue TEXT PRIMARY KEY,
        count INTEGER NOT NULL,
        bytes INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TRIGGER messages_counted AFTER INSERT ON messages
    BEGIN
        INSERT INTO backlogs (queue, count, bytes) VALUES (NEW.queue, 1, length(NEW.body))
            ON CONFLICT (queue) DO UPDATE SET count = count + 1, bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER messages_moved AFTER UPDATE OF queue ON messages WHEN OLD.queue <> NEW.queue
    BEGIN
        UPDATE backlogs SET count = count - 1, bytes = bytes - length(OLD.body) WHERE queue = OLD.queue;
        INSERT INTO backlogs (queue, count, bytes) VALUES (NEW.queue, 1, length(NEW.body))
            ON CONFLICT (queue) DO UPDATE SET count = count + 1, bytes = bytes + excluded.bytes;
    END;
    CREATE TRIGGER messages_counted_out AFTER DELETE ON messages
    BEGIN
        UPDATE backlogs SET count = count - 1, bytes = bytes - length(OLD.body) WHERE queue = OLD.queue;
    END;
    """,
)
"""Append only; all that are new to a database are applied in one transaction."""

"""The SQL of every store, once, as named statements; a dialect replaces a statement by name.

Parameters that a statement uses twice have names. Lists of keys are passed as one JSON array, so that a
statement is prepared once whatever their number.
"""

from __future__ import annotations

import functools
import re
from typing import Final

from wflow.stores import schema

MIGRATIONS: Final = schema.MIGRATIONS


@functools.cache
def several(statement: str, count: int) -> str:
    """Make a statement that takes so many rows of one that takes one, VALUES (?, ...)."""
    before, row, after = re.split(r"(?<=VALUES )(\([^)]*\))", statement)
    return before + ", ".join([row] * count) + after


@functools.cache
def appending(count: int) -> str:
    """Make APPEND for so many rows, whose positions follow the one that it is given first."""
    before, _, _ = APPEND.partition("(?")
    return before + ", ".join(f"(?1 + {number}, ?, ?, ?, ?, ?)" for number in range(1, count + 1))


CREATE: Final = """
    INSERT INTO instances (key, workflow, id, version, status, created_at, modified_at, trigger, params, seed,
        success_retention_ms, error_retention_ms, priority, concurrency_key)
    VALUES (?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (workflow, id) DO NOTHING
"""
ADOPT: Final = "UPDATE instances SET parent = ?, awaited = ?, follows = ? WHERE key = ?"
TAG: Final = """
    INSERT INTO tags (instance, workflow, tag) SELECT key, workflow, ? FROM instances WHERE key = ?
    ON CONFLICT (instance, tag) DO NOTHING
"""
FORGET_TAGS: Final = "DELETE FROM tags WHERE instance = ?"
CREATED: Final = "SELECT key FROM instances WHERE key BETWEEN ? AND ?"
QUEUED: Final = "SELECT coalesce(sum(count), 0) FROM tallies WHERE workflow = ? AND status = 'queued'"
DUE: Final = """
    SELECT wake_at, key, concurrency_key FROM instances
    WHERE workflow = :workflow AND wake_at <= :now AND (wake_at, key) > (:rank, :key) AND aside = 0
    ORDER BY wake_at, key LIMIT :size
"""
DUE_IN_LINE: Final = """
    SELECT wake_at, key, concurrency_key FROM instances
    WHERE workflow = :workflow AND concurrency_key = :under AND wake_at IS NOT NULL AND aside = 1
      AND (wake_at, key) > (:rank, :key)
    ORDER BY wake_at, key LIMIT :size
"""
NEXT_QUEUED: Final = """
    SELECT priority, key, concurrency_key FROM instances
    WHERE workflow = :workflow AND status = 'queued' AND aside = 0 AND (priority, key) > (:rank, :key)
    ORDER BY priority, key LIMIT :size
"""
QUEUED_IN_LINE: Final = """
    SELECT priority, key, concurrency_key FROM instances
    WHERE workflow = :workflow AND concurrency_key = :under AND status = 'queued' AND aside = 1
      AND (priority, key) > (:rank, :key)
    ORDER BY priority, key LIMIT :size
"""
HELD: Final = """
    SELECT count(*) FROM (
        SELECT 1 FROM instances
        WHERE workflow = :workflow AND concurrency_key = :under AND owner IS NOT NULL LIMIT :most
    )
"""
HELD_KEYS: Final = """
    SELECT DISTINCT concurrency_key FROM instances
    WHERE workflow = ? AND concurrency_key IS NOT NULL AND owner IS NOT NULL
"""
SET_ASIDE: Final = "UPDATE instances SET aside = 1 WHERE key IN (SELECT value FROM json_each(?))"
SET_READY: Final = """
    UPDATE instances SET aside = 0 WHERE key IN (SELECT value FROM json_each(?)) AND aside = 1
"""
NEXT_IN_LINE: Final = """
    UPDATE instances SET aside = 0 WHERE key = coalesce(
        (SELECT key FROM instances
         WHERE workflow = :workflow AND concurrency_key = :under AND wake_at IS NOT NULL AND aside = 1
         ORDER BY wake_at, key LIMIT 1),
        (SELECT key FROM instances
         WHERE workflow = :workflow AND concurrency_key = :under AND status = 'queued' AND aside = 1
         ORDER BY priority, key LIMIT 1)
    )
"""
CLAIM: Final = """
    UPDATE instances
    SET status = CASE WHEN status IN ('waitingForPause', 'rollingBack') THEN status ELSE 'running' END,
        owner = :owner, epoch = epoch + 1, aside = 0, wake_at = NULL, awaits = NULL, modified_at = :now,
        started_at = coalesce(started_at, :now),
        failure = CASE status WHEN 'rollingBack' THEN failure END
    WHERE key IN (SELECT value FROM json_each(:keys))
    RETURNING key, epoch, workflow, id, version, created_at, params,
        coalesce((SELECT max(seq) FROM records WHERE records.instance = instances.key), 0),
        EXISTS (SELECT 1 FROM inbox WHERE inbox.instance = instances.key),
        started_at, seed, status = 'waitingForPause', shown, status, parent
"""
BODIES: Final = """
    SELECT seq, body FROM records
    WHERE instance = ? AND seq > ? AND EXISTS (SELECT 1 FROM instances WHERE key = ?) ORDER BY seq
"""
EVENTS: Final = "SELECT number, type, payload, sent_at FROM inbox WHERE instance = ? ORDER BY number"
LIVE: Final = """
    SELECT key, epoch, status, parent,
        coalesce((SELECT max(seq) FROM records WHERE records.instance = instances.key), 0),
        EXISTS (SELECT 1 FROM inbox WHERE inbox.instance = instances.key)
    FROM instances WHERE key IN (SELECT value FROM json_each(?)) AND owner IS NOT NULL
"""
APPEND: Final = "INSERT INTO records (position, instance, seq, tag, at, body) VALUES (?, ?, ?, ?, ?, ?)"
RECEIVED: Final = """
    DELETE FROM inbox
    WHERE number IN (SELECT value FROM json_each(?)) AND instance IN (SELECT value FROM json_each(?))
"""
REST: Final = """
    UPDATE instances
    SET status = column1, owner = NULL, wake_at = column2, awaits = column3, modified_at = column4
    FROM (VALUES (?, ?, ?, ?, ?)) AS given WHERE key = column5
"""
AWAITED: Final = """
    SELECT EXISTS (SELECT 1 FROM inbox WHERE instance = ? AND type IN (SELECT value FROM json_each(?)))
"""
END: Final = """
    UPDATE instances
    SET status = column1, owner = NULL, wake_at = NULL, awaits = NULL, modified_at = column2,
        ended_at = column2, output = column3, failure = column4, rollback = column5,
        expires_at = column2
            + CASE column1 WHEN 'complete' THEN success_retention_ms ELSE error_retention_ms END
    FROM (VALUES (?, ?, ?, ?, ?, ?)) AS given WHERE key = column6
"""
HOLD: Final = """
    UPDATE instances
    SET status = ?, owner = NULL, wake_at = NULL, awaits = NULL, modified_at = ?, failure = ?
    WHERE key = ?
"""
ROLL: Final = "UPDATE instances SET status = ?, modified_at = ?, failure = ? WHERE key = ?"
SHOW: Final = "UPDATE instances SET shown = coalesce(?, shown), modified_at = ? WHERE key = ?"
FORGET_EVENTS: Final = "DELETE FROM inbox WHERE instance = ?"
RELEASE: Final = """
    UPDATE instances SET owner = NULL, wake_at = ? WHERE key = ? AND epoch = ? AND owner IS NOT NULL
"""
RELEASE_ALL: Final = """
    UPDATE instances SET owner = NULL, wake_at = 0
    WHERE workflow IN (SELECT DISTINCT workflow FROM tallies)
      AND status IN ('running', 'waitingForPause', 'rollingBack') AND owner IS NOT NULL
"""
"""Nothing else makes an instance due at 0: it says that whoever held it has died."""

STATE: Final = "SELECT key, workflow, status, owner, awaits, parent FROM instances WHERE key = ?"
LAST_SEQ: Final = "SELECT coalesce(max(seq), 0) FROM records WHERE instance = ?"
STEER: Final = "UPDATE instances SET status = ?, modified_at = ? WHERE key = ?"
MOVE: Final = """
    UPDATE instances
    SET status = :status, owner = NULL, epoch = epoch + 1, aside = 0, wake_at = :wake_at, awaits = NULL,
        modified_at = :now, ended_at = CASE WHEN :ended THEN :now END,
        expires_at = CASE WHEN :ended THEN :now + error_retention_ms END,
        failure = CASE :status WHEN 'queued' THEN NULL ELSE failure END
    WHERE key = :key
"""
MIGRATE: Final = "UPDATE instances SET version = ?, modified_at = ? WHERE key = ?"
LAST_MOVED: Final = """
    SELECT body FROM records WHERE instance = ? AND tag = ? ORDER BY seq DESC LIMIT 1
"""
RESTART: Final = """
    UPDATE instances
    SET status = 'queued', version = :version, owner = NULL, epoch = epoch + 1, aside = 0, wake_at = NULL,
        awaits = NULL, modified_at = :now, ended_at = NULL, expires_at = NULL, output = NULL, failure = NULL,
        rollback = NULL,
        started_at = CASE WHEN :anew THEN NULL ELSE started_at END,
        seed = CASE WHEN :anew THEN :seed ELSE seed END,
        shown = CASE WHEN :anew THEN NULL ELSE shown END
    WHERE key = :key
"""
CUT_RECORDS: Final = """
    DELETE FROM records WHERE instance = ? AND seq IN (SELECT value FROM json_each(?))
"""
TYPES: Final = "SELECT DISTINCT type FROM inbox WHERE instance = ?"
FORGET_EVENTS_BUT: Final = """
    DELETE FROM inbox WHERE instance = ? AND type NOT IN (SELECT value FROM json_each(?))
"""

DELIVER: Final = "INSERT INTO inbox (instance, type, payload, sent_at) VALUES (?, ?, ?, ?)"
BUFFERED: Final = "SELECT count(*) FROM inbox WHERE instance = ?"
KEPT: Final = "SELECT number, type, payload, sent_at FROM inbox WHERE instance = ? AND type = ? LIMIT 1"
WAKE: Final = "UPDATE instances SET wake_at = min(wake_at, ?) WHERE key = ?"
ROUSE: Final = """
    UPDATE instances
    SET wake_at = CASE WHEN owner IS NULL THEN min(coalesce(wake_at, :now), :now) END,
        status = CASE status WHEN 'waitingForPause' THEN 'running' ELSE status END
    WHERE key = :key AND (owner IS NULL AND status <> 'queued' OR status = 'waitingForPause')
"""

AWAITED_BY_PARENT: Final = "SELECT awaited FROM instances WHERE key = ?"
FOLLOWERS: Final = """
    SELECT key, parent FROM instances
    WHERE parent IN (SELECT value FROM json_each(?)) AND follows
      AND status NOT IN ('complete', 'errored', 'terminated')
    ORDER BY key
"""
CHILDREN: Final = "SELECT key, awaited FROM instances WHERE parent = ? ORDER BY key"

_INSTANCE: Final = """
    key, workflow, id, version, status, created_at, modified_at, started_at, ended_at, wake_at, trigger,
    params, output, failure, rollback, shown,
    (SELECT json_group_array(tag) FROM
        (SELECT tag FROM tags WHERE tags.instance = instances.key ORDER BY tags.rowid)),
    expires_at, parent, awaited, seed, priority, concurrency_key
"""
GET: Final = f"SELECT {_INSTANCE} FROM instances WHERE key = ?"
FIND_ONE: Final = f"SELECT {_INSTANCE} FROM instances WHERE workflow = ? AND id = ?"
KEYS_NEWEST: Final = """
    SELECT key FROM instances WHERE workflow = ? AND status = ? AND key < ? ORDER BY key DESC LIMIT ?
"""
KEYS_OLDEST: Final = """
    SELECT key FROM instances WHERE workflow = ? AND status = ? AND key > ? ORDER BY key LIMIT ?
"""
COUNT_BETWEEN: Final = """
    SELECT count(*) FROM instances
    WHERE workflow = ? AND status IN (SELECT value FROM json_each(?)) AND key >= ? AND key < ?
"""
BLOCKS_NEWEST: Final = """
    SELECT block, sum(count) FROM tallies
    WHERE workflow = ? AND status IN (SELECT value FROM json_each(?)) AND block < ?
    GROUP BY block ORDER BY block DESC
"""
BLOCKS_OLDEST: Final = """
    SELECT block, sum(count) FROM tallies
    WHERE workflow = ? AND status IN (SELECT value FROM json_each(?)) AND block > ?
    GROUP BY block ORDER BY block
"""
SHOWN: Final = f"SELECT {_INSTANCE} FROM instances WHERE key IN (SELECT value FROM json_each(?))"
FIND_TAGGED_NEWEST: Final = f"""
    SELECT {_INSTANCE} FROM (SELECT instance AS tagged FROM tags WHERE workflow = ? AND tag = ?)
    CROSS JOIN instances ON key = tagged
    WHERE tagged < ? AND status IN (SELECT value FROM json_each(?)) ORDER BY tagged DESC LIMIT ? OFFSET ?
"""
FIND_TAGGED_OLDEST: Final = f"""
    SELECT {_INSTANCE} FROM (SELECT instance AS tagged FROM tags WHERE workflow = ? AND tag = ?)
    CROSS JOIN instances ON key = tagged
    WHERE tagged > ? AND status IN (SELECT value FROM json_each(?)) ORDER BY tagged LIMIT ? OFFSET ?
"""
EXPIRED: Final = "SELECT key FROM instances WHERE expires_at <= ? ORDER BY expires_at, key LIMIT ?"
COUNTS: Final = "SELECT status, sum(count) FROM tallies WHERE workflow = ? GROUP BY status"
VERSIONS: Final = """
    SELECT DISTINCT version FROM tallies
    WHERE workflow = ? AND status IN (SELECT value FROM json_each(?)) AND count > 0
"""
DUE_AT: Final = """
    SELECT min(wake_at) FROM instances WHERE workflow = ? AND wake_at IS NOT NULL AND aside = 0
"""
FORGET_PIECES: Final = "DELETE FROM cells WHERE space = ?"
FORGET_PIECES_OF: Final = "DELETE FROM cells WHERE space = ? AND key >= ? AND key < ?"
DELETE_INSTANCE: Final = "DELETE FROM instances WHERE key = ?"
DELETE_RECORDS: Final = "DELETE FROM records WHERE instance = ?"
DELETE_SOME_RECORDS: Final = """
    DELETE FROM records WHERE position IN (SELECT position FROM records WHERE instance = ? LIMIT ?)
"""
DELETE_SOME_PIECES: Final = """
    DELETE FROM cells WHERE rowid IN (SELECT rowid FROM cells WHERE space = ? LIMIT ?)
"""
LEAVE_REMAINS: Final = "INSERT INTO remains (instance) VALUES (?) ON CONFLICT (instance) DO NOTHING"
REMAINS: Final = "SELECT instance FROM remains LIMIT 1"
FORGET_REMAINS: Final = "DELETE FROM remains WHERE instance = ?"
FORGET_EMPTY_TALLIES: Final = "DELETE FROM tallies WHERE count = 0"

_RECORD: Final = "r.position, r.instance, r.seq, r.tag, r.at, r.body, i.workflow, i.id"
JOURNAL: Final = f"""
    SELECT {_RECORD} FROM records r JOIN instances i ON i.key = r.instance
    WHERE r.instance = ? AND r.seq > ? ORDER BY r.seq LIMIT ?
"""
TAIL: Final = f"""
    SELECT {_RECORD} FROM records r LEFT JOIN instances i ON i.key = r.instance
    WHERE r.position > :after AND (r.instance IS NULL OR i.key IS NOT NULL)
      AND (:tags IS NULL OR r.tag IN (SELECT value FROM json_each(:tags)))
      AND (:workflow IS NULL OR i.workflow = :workflow OR r.instance IS NULL)
      AND (:id IS NULL OR i.id = :id OR r.instance IS NULL)
    ORDER BY r.position LIMIT :limit
"""
NTH_NEWEST_LINE: Final = "SELECT at FROM records WHERE instance IS NULL ORDER BY at DESC LIMIT 1 OFFSET ?"
TRIM: Final = """
    DELETE FROM records WHERE position IN (
        SELECT position FROM records WHERE instance IS NULL AND at < ? ORDER BY at LIMIT ?
    )
"""
LAST_POSITION: Final = "SELECT coalesce(max(position), 0) FROM records"
FIRST_POSITION: Final = "SELECT coalesce(min(position), 0) FROM records"
AT_OR_AFTER: Final = "SELECT position, at FROM records WHERE position >= ? ORDER BY position LIMIT 1"
LAST_KEY: Final = "SELECT coalesce(max(key), 0) FROM instances"
MARK: Final = """
    INSERT INTO marks (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""
MARKS: Final = "SELECT name, value FROM marks"

READ_CELL: Final = """
    SELECT key, value, meta, expires_at FROM cells
    WHERE space = ? AND key = ? AND (expires_at IS NULL OR expires_at > ?)
"""
SCAN_CELLS: Final = """
    SELECT key, meta, expires_at FROM cells
    WHERE space = ? AND key >= ? AND key < ? AND (expires_at IS NULL OR expires_at > ?)
    ORDER BY key LIMIT ?
"""
WRITE_CELL: Final = """
    INSERT INTO cells (space, key, value, meta, expires_at) VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (space, key) DO UPDATE
    SET value = excluded.value, meta = excluded.meta, expires_at = excluded.expires_at
"""
REMOVE_CELL: Final = "DELETE FROM cells WHERE space = ? AND key = ?"
EXPIRE_CELLS: Final = """
    DELETE FROM cells
    WHERE rowid IN (SELECT rowid FROM cells WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)
"""

SEND: Final = """
    INSERT INTO messages (queue, due_at, sent_at, expires_at, id, content_type, body)
    VALUES (?, ?, ?, ?, ?, ?, ?)
"""
BACKLOG: Final = """
    SELECT count, bytes,
        (SELECT sent_at FROM messages WHERE messages.queue = backlogs.queue ORDER BY expires_at LIMIT 1)
    FROM backlogs WHERE queue = ?
"""
NEXT_MESSAGES: Final = """
    SELECT number, attempts FROM messages
    WHERE queue = :queue AND due_at <= :now AND expires_at > :now ORDER BY due_at, number LIMIT :limit
"""
LEASE: Final = """
    UPDATE messages SET attempts = attempts + 1, due_at = ?
    WHERE number IN (SELECT value FROM json_each(?))
    RETURNING number, id, content_type, sent_at, attempts, body
"""
LET_GO: Final = """
    UPDATE messages SET due_at = 0 WHERE queue IN (SELECT queue FROM backlogs) AND due_at >= ?
"""
DELETE_MESSAGE: Final = "DELETE FROM messages WHERE number = ? AND queue = ?"
DISCARD: Final = "DELETE FROM messages WHERE number = ? AND queue = ? AND attempts = ?"
DELIVER_AGAIN: Final = "UPDATE messages SET due_at = ? WHERE number = ? AND queue = ? AND attempts = ?"
BURY: Final = """
    UPDATE messages SET queue = :dead, due_at = :now, attempts = 0, expires_at = :expires_at
    WHERE number = :number AND queue = :queue AND attempts = :attempts
"""
MESSAGES_DUE: Final = """
    SELECT due_at FROM messages WHERE queue = ? AND due_at < ? ORDER BY due_at, number LIMIT ?
"""
PEEK: Final = """
    SELECT number, id, content_type, sent_at, attempts, body FROM messages
    WHERE queue = ? AND due_at < ? ORDER BY due_at, number LIMIT ?
"""
LAST_MESSAGE: Final = "SELECT coalesce(max(number), 0) FROM messages"
PURGE: Final = """
    DELETE FROM messages
    WHERE number IN (SELECT number FROM messages WHERE queue = ? AND number <= ? LIMIT ?)
"""
EXPIRE_MESSAGES: Final = """
    DELETE FROM messages WHERE number IN (
        SELECT number FROM messages
        WHERE queue IN (SELECT queue FROM backlogs WHERE count > 0) AND expires_at <= ? LIMIT ?
    )
"""
FORGET_EMPTY_BACKLOGS: Final = "DELETE FROM backlogs WHERE count = 0"

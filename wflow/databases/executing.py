"""Statements of one call, run in one transaction; what they give is encoded as it comes, within its limit."""

from __future__ import annotations

import struct
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.databases import limits, splitting
from wflow.databases.faults import COUNT, NO_SQL, TIMED_OUT, D1Error, told

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator, Sequence

    from wflow.databases.opened import Opened

SERVED_BY: Final = "wflow.db"

_READING: Final = frozenset({"select", "values", "explain", "with", "pragma"})
_encoder = msgspec.msgpack.Encoder()
_CHUNK_BYTES: Final = 256 * 1024
_ARRAY: Final = struct.Struct(">BI")
_ARRAY_32: Final = 0xDD
"""How msgpack begins an array whose length takes 32 bits."""


class Statement(msgspec.Struct, frozen=True, array_like=True):
    """SQL, and what its `?` stand for: None, numbers, texts, bytes."""

    sql: str
    params: list[Any] = []


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one statement gave: the names of its columns, and its rows in chunks of msgpack.

    ``meta`` is Cloudflare's. Its ``rows_read`` counts the rows that were given back, which is the least that
    were read: Python's SQLite does not tell how many were looked at. ``rows_written`` and ``changes`` count
    rows that were inserted, changed or deleted, by triggers and foreign keys as well; not those of indices.
    """

    columns: list[str]
    chunks: list[bytes]
    meta: dict[str, Any]

    def rows(self) -> Iterator[list[Any]]:
        """Give the rows."""
        for chunk in self.chunks:
            yield from msgspec.msgpack.decode(chunk)

    @property
    def size(self) -> int:
        """How many bytes the rows take."""
        return sum(map(len, self.chunks))


def only_reads(statements: Sequence[Statement]) -> bool:
    """Tell whether none of the statements looks as if it wrote; a reader that finds one that does refuses."""
    return all(splitting.first_word(each.sql) in _READING for each in statements)


def whole(statements: Sequence[Statement]) -> list[Statement]:
    """Check statements before they are run, each of which is one; raises D1Error.

    Of a text with several the parameters are the last one's, as on D1.
    """
    found: list[Statement] = []
    for each in statements:
        pieces = splitting.split(each.sql)
        if not pieces:
            raise D1Error(NO_SQL)
        if len(each.params) > limits.PARAMETERS:
            raise D1Error(f"too many SQL variables: {COUNT}", hint="a statement takes 100 parameters")
        found += [Statement(piece.sql) for piece in pieces[:-1]]
        found.append(Statement(pieces[-1].sql, each.params))
    if len(found) > limits.TEXT_STATEMENTS:
        raise D1Error(f"{len(found):,} statements are more than the {limits.TEXT_STATEMENTS:,} of one call")
    for each in found:
        _check(each)
    return found


def run(opened: Opened, statements: Iterable[Statement]) -> list[Answer]:
    """Run statements within the transaction that is open; raises D1Error with its index."""
    answers: list[Answer] = []
    left = limits.RESULT_BYTES
    for index, each in enumerate(statements):
        try:
            opened.look()
            answer = _one(opened, each, left)
        except TimeoutError as late:
            raise D1Error(TIMED_OUT) from late
        except D1Error as refused:
            refused.index = index
            raise
        left -= answer.size
        answers.append(answer)
    return answers


def _one(opened: Opened, statement: Statement, left: int) -> Answer:
    db = opened.db
    before, began = db.total_changes, time.perf_counter()
    opened.guard.begin()
    try:
        cursor = db.execute(statement.sql, statement.params)
        try:
            chunks, count = _fetched(cursor, left)
            columns = [each[0] for each in cursor.description or ()]
            opened.last_row_id = cursor.lastrowid or opened.last_row_id
        finally:
            cursor.close()
    except Exception as broken:
        if opened.guard.why:
            raise D1Error(f"{opened.guard.why}: SQLITE_AUTH") from broken
        raise told(broken) from broken
    finally:
        opened.guard.own = True
    took_ms = round((time.perf_counter() - began) * 1000, 4)
    changes = db.total_changes - before
    opened.wrote = opened.wrote or changes > 0 or opened.guard.schema
    meta = {
        "served_by": SERVED_BY,
        "served_by_primary": True,
        "duration": took_ms,
        "timings": {"sql_duration_ms": took_ms},
        "changes": changes,
        "last_row_id": opened.last_row_id,
        "changed_db": changes > 0 or opened.guard.schema,
        "rows_read": count,
        "rows_written": changes,
        "total_attempts": 1,
    }
    return Answer(columns=columns, chunks=chunks, meta=meta)


def _fetched(cursor: sqlite3.Cursor, left: int) -> tuple[list[bytes], int]:
    """Encode rows as they come, so that none is in memory twice; raises D1Error beyond ``left`` bytes."""
    chunks: list[bytes] = []
    count = in_chunk = 0
    buffer = bytearray()
    for row in cursor:
        _encoder.encode_into(row, buffer, -1)
        in_chunk += 1
        if len(buffer) >= _CHUNK_BYTES or len(buffer) > left:
            left -= len(buffer)
            if left < 0:
                raise D1Error(
                    f"the result takes more than {limits.RESULT_BYTES:,} bytes: SQLITE_TOOBIG",
                    hint="read it page by page, with LIMIT",
                )
            chunks.append(_ARRAY.pack(_ARRAY_32, in_chunk) + buffer)
            count += in_chunk
            in_chunk = 0
            buffer.clear()
    if in_chunk:
        chunks.append(_ARRAY.pack(_ARRAY_32, in_chunk) + buffer)
    return chunks, count + in_chunk


def _check(statement: Statement) -> None:
    if len(statement.sql.encode(errors="surrogatepass")) > limits.STATEMENT_BYTES:
        raise D1Error("statement too long: SQLITE_TOOBIG", hint="a statement takes 100,000 bytes")
    if "\0" in statement.sql:
        raise D1Error("the statement has a NUL character: SQLITE_ERROR")
    if splitting.first_word(statement.sql) == "vacuum":
        raise D1Error("not authorized: SQLITE_AUTH")
    if splitting.has_names(statement.sql):
        raise D1Error("parameters are `?` or `?NNN`, not names: SQLITE_ERROR")

"""Reads beside the one that writes: few threads, one moment each, and whoever asks hears what went wrong."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from typing import TYPE_CHECKING

import pytest

from wflow.errors import InvalidInput, StoreError
from wflow.stores._sqlite_readers import READERS, Readers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def connect(tmp_path: Path) -> Callable[[], sqlite3.Connection]:
    path = tmp_path / "read.sqlite"
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("CREATE TABLE numbers (number INTEGER)")
    db.close()
    return lambda: sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def counted(db: sqlite3.Connection) -> int:
    found: int = db.execute("SELECT count(*) FROM numbers").fetchone()[0]
    return found


async def test_reads_that_come_together_share_few_threads(
    loop: asyncio.Runner, connect: Callable[[], sqlite3.Connection]
):
    readers = Readers(connect)
    names: set[str] = set()
    together = threading.Barrier(READERS, timeout=60)

    def read(db: sqlite3.Connection) -> int:
        if len(names) < READERS:
            names.add(threading.current_thread().name)
            together.wait()
        return counted(db)

    assert await asyncio.gather(*(readers.read(read) for _ in range(READERS))) == [0] * READERS
    assert await asyncio.gather(*(readers.read(counted) for _ in range(20))) == [0] * 20
    assert names == {"wflow-read_0", "wflow-read_1"}
    assert len(readers.opened) == READERS
    await readers.close()


async def test_one_read_after_the_other_needs_one_thread(
    loop: asyncio.Runner, connect: Callable[[], sqlite3.Connection]
):
    readers = Readers(connect)
    for _ in range(5):
        await readers.read(counted)
    assert len(readers.opened) == 1
    await readers.close()


async def test_what_goes_wrong_is_told_to_whoever_asked_and_the_next_one_is_answered(
    loop: asyncio.Runner, connect: Callable[[], sqlite3.Connection]
):
    readers = Readers(connect)
    with pytest.raises(StoreError, match="no such table"):
        await readers.read(lambda db: db.execute("SELECT 1 FROM nowhere"))
    with pytest.raises(InvalidInput):
        await readers.read(lambda db: db.execute("SELECT ?", (10**40,)))
    with pytest.raises(ZeroDivisionError):
        await readers.read(lambda _: 1 // 0)
    assert await readers.read(counted) == 0
    await readers.close()


async def test_a_database_that_cannot_be_opened_is_an_error_of_the_store(
    loop: asyncio.Runner, tmp_path: Path
):
    readers = Readers(lambda: sqlite3.connect(tmp_path / "no" / "folder"))
    with pytest.raises(StoreError, match="unable to open"):
        await readers.read(counted)
    await readers.close()


async def test_at_the_end_what_was_asked_is_answered_and_nothing_more_is_taken(
    loop: asyncio.Runner, connect: Callable[[], sqlite3.Connection]
):
    readers = Readers(connect)
    asked = [readers.read(counted) for _ in range(10)]
    await readers.close()
    assert await asyncio.gather(*asked) == [0] * 10
    with pytest.raises(StoreError, match="closed"):
        await readers.read(counted)


async def test_whoever_stops_waiting_for_a_read_leaves_the_others_theirs(
    loop: asyncio.Runner, connect: Callable[[], sqlite3.Connection]
):
    readers = Readers(connect)
    given_up, other = readers.read(counted), readers.read(counted)
    given_up.cancel()
    assert await other == 0
    await readers.close()

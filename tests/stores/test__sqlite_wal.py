"""The write-ahead log's file is longer than what is in it, and nobody can tell from what is read."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from tests.stores.shop import Shop, line
from wflow.stores import _sqlite_wal
from wflow.stores._sqlite_wal import FIRST_BYTES, PIECE_BYTES, Runway

if TYPE_CHECKING:
    import asyncio

    import pytest


def log_of(shop: Shop) -> Path:
    return Path(shop.url.removeprefix("sqlite://")) / "wflow.sqlite-wal"


async def filled(shop: Shop) -> list[str]:
    """Write more than the log grows by itself, a commit at a time."""
    claim = await shop.claimed()
    said = [f"line {number}" for number in range(40)]
    for seq, text in enumerate(said):
        assert await shop.say(claim, line(text), after=seq) == []
    return said


async def test_a_log_that_has_grown_gets_room_ahead_and_keeps_its_length_from_then_on(
    loop: asyncio.Runner, shop: Shop
):
    log = log_of(shop)
    at_first = log.stat().st_size
    await filled(shop)
    long = log.stat().st_size
    assert PIECE_BYTES < long <= at_first + FIRST_BYTES + PIECE_BYTES + 64 * 1024
    assert log.read_bytes().endswith(bytes(PIECE_BYTES // 2))
    await shop.create("b")
    assert log.stat().st_size == long


async def test_what_was_committed_is_there_after_a_death_and_the_zeros_behind_it_are_nothing(
    loop: asyncio.Runner, shop: Shop, tmp_path: Path
):
    said = await filled(shop)
    folder = log_of(shop).parent
    (tmp_path / "after").mkdir()
    for name in ("wflow.sqlite", "wflow.sqlite-wal"):
        shutil.copy(folder / name, tmp_path / "after" / name)
    again = Shop(f"sqlite://{tmp_path / 'after'}")
    await again.open()
    key = (await again.get("a")).key
    assert [getattr(fact, "message", None) for fact in await again.facts(key)] == said
    await again.create("b")
    await again.reopen()
    assert await again.status("b") == "queued"
    await again.close()


async def test_a_log_as_long_as_it_ever_gets_is_made_no_longer(
    loop: asyncio.Runner, shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_sqlite_wal, "PAGES", 1)
    await filled(shop)
    assert log_of(shop).stat().st_size < PIECE_BYTES


async def test_the_log_goes_with_the_store_and_the_next_one_begins_anew(loop: asyncio.Runner, shop: Shop):
    await filled(shop)
    await shop.reopen()
    assert log_of(shop).stat().st_size < PIECE_BYTES
    assert await shop.status("a") == "running"


def test_a_database_without_a_log_is_left_alone(tmp_path: Path):
    runway = Runway(tmp_path / "none.sqlite")
    runway.look()
    runway.close()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_for_zeros_goes_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_sqlite_wal, "FIRST_BYTES", -1)
    (tmp_path / "full.sqlite-wal").symlink_to("/dev/full")
    runway = Runway(tmp_path / "full.sqlite")
    runway.look()
    runway.look()
    runway.close()


def test_zeros_are_written_behind_what_the_database_has_written(tmp_path: Path):
    db = sqlite3.connect(tmp_path / "own.sqlite", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE lines (text TEXT)")
    runway = Runway(tmp_path / "own.sqlite")
    log = tmp_path / "own.sqlite-wal"
    runway.look()
    before = log.read_bytes()
    db.execute("INSERT INTO lines VALUES (?)", ("x" * 2 * FIRST_BYTES,))
    written = log.read_bytes()
    assert len(written) > len(before) + FIRST_BYTES
    runway.look()
    assert log.read_bytes() == written + bytes(PIECE_BYTES)
    runway.look()
    assert log.stat().st_size == len(written) + PIECE_BYTES
    runway.close()
    assert db.execute("SELECT count(*) FROM lines").fetchone() == (1,)
    db.close()

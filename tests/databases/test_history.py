"""Time travel is exact: whatever was committed, any bookmark brings back what was there then."""

from __future__ import annotations

import random
import resource
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.databases.asked import NOON, Clock
from wflow.databases.executing import Statement
from wflow.databases.faults import D1Error
from wflow.databases.keeper import FILE, Keeper, copied

ACTS = st.lists(
    st.sampled_from(
        ["write"] * 4
        + [
            "big",
            "drop",
            "archive",
            "base",
            "reopen",
            "crash",
            "half",
            "torn",
            "restore",
            "reader",
            "release",
        ]
    ),
    min_size=5,
    max_size=40,
)


class Traveller:
    """A database, and what it held at each commit."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder / "0"
        self.chance = chance
        self.clock = Clock()
        self.keeper = Keeper(self.folder, self.clock)
        self.reader: sqlite3.Connection | None = None
        self.held: dict[int, list[str]] = {self.keeper.last: self.dump()}
        self.times: dict[int, int] = {self.keeper.last: NOON}

    def dump(self) -> list[str]:
        tables = self.keeper.opened.own("SELECT sql FROM sqlite_master WHERE name = 't'")
        rows = self.keeper.opened.own("SELECT * FROM t ORDER BY id") if tables else []
        return [*map(repr, tables), *map(repr, rows)]

    def act(self, act: str) -> None:
        self.clock.at += 1_000
        match act:
            case "write":
                self._execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a)")
                self._execute("INSERT INTO t (a) VALUES (?)", self.chance.random())
                self._execute("DELETE FROM t WHERE id % 7 = ?", self.chance.randrange(7))
            case "big":
                self._execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a)")
                self._execute(
                    "INSERT INTO t (a) SELECT hex(randomblob(3000)) FROM json_each('[1,2,3,4,5,6,7]')"
                )
            case "drop":
                self._execute("DROP TABLE IF EXISTS t")
            case "archive":
                self.keeper.archive()
            case "base":
                copy = self.folder / "history" / "base.tmp"
                number, at = copied(self.keeper.opened, copy)
                self.keeper.add_base(copy, number, at)
            case "reopen":
                self._release()
                self.keeper.close()
                self._open(self.folder)
            case "crash" | "half" | "torn":
                self._crash(act)
            case "reader":
                self._release()
                self.reader = sqlite3.connect(self.folder / FILE, isolation_level=None)
                self.reader.execute("BEGIN")
                self.reader.execute("SELECT count(*) FROM sqlite_master").fetchall()
            case "release":
                self._release()
            case "restore":
                number = self.chance.choice(list(self.held))
                after = self.keeper.restore(number)
                assert self.dump() == self.held[number]
                self._note(after)
        assert self.dump() == self.held[self.keeper.last]

    def _execute(self, sql: str, *params: object) -> None:
        before = self.keeper.last
        self.keeper.execute([Statement(sql, list(params))], None)
        if self.keeper.last != before:
            self._note(self.keeper.last)

    def _note(self, number: int) -> None:
        self.held[number], self.times[number] = self.dump(), self.clock.at

    def _crash(self, how: str) -> None:
        """Go on with what is on the disk now, as after `kill -9`."""
        if how == "half":  # it has been copied to the history, and is in SQLite's log as well
            keeper = self.keeper
            _, frames, _ = keeper.opened.own("PRAGMA wal_checkpoint(PASSIVE)")[0]
            if frames > 0:
                keeper.history.take(self.folder / f"{FILE}-wal", frames, keeper.last, {})
        there = self.folder.with_name(str(int(self.folder.name) + 1))
        shutil.copytree(self.folder, there)
        logs = sorted((there / "history").glob("log-*"))
        if how == "torn" and logs:
            with logs[-1].open("ab") as log:
                size = self.chance.randrange(1, 100)
                log.write(self.chance.choice([bytes(size), self.chance.randbytes(size)]))
        self._release()
        self.keeper.close()
        self._open(there)

    def _release(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None

    def _open(self, folder: Path) -> None:
        self.folder = folder
        self.keeper = Keeper(folder, self.clock)


@settings(max_examples=settings().max_examples // 10)
@given(ACTS, st.integers(0, 2**32))
def test_every_commit_can_be_gone_back_to(acts, seed):
    with tempfile.TemporaryDirectory() as folder:
        traveller = Traveller(Path(folder), random.Random(seed))
        for act in acts:
            traveller.act(act)
        traveller._release()
        traveller.keeper.archive()
        for number in sorted(traveller.held):
            made = Path(folder) / "made.sqlite"
            traveller.keeper.history.rebuild(made, number)
            assert read(made) == traveller.held[number], number
            if "half" not in acts:  # which keeps no times
                last = max(n for n, at in traveller.times.items() if at <= traveller.times[number])
                assert traveller.keeper.history.before(traveller.times[number]) == last
        traveller.keeper.close()


def test_what_is_older_than_may_be_is_let_go_and_the_rest_stays(tmp_path):
    traveller = Traveller(tmp_path, random.Random(1))
    for act in ("write", "base", "write", "base", "write"):
        traveller.act(act)
    early = min(traveller.held)
    traveller.clock.at += 29 * 86_400_000
    traveller.act("base")
    assert traveller.keeper.history.earliest() == 1
    traveller.clock.at += 2 * 86_400_000
    traveller.act("write")
    traveller.act("base")
    history = traveller.keeper.history
    assert history.earliest() > early
    with pytest.raises(D1Error, match="older than the history"):
        history.rebuild(tmp_path / "made", early)
    for number in (history.earliest(), traveller.keeper.last):
        history.rebuild(tmp_path / "made", number)
        assert read(tmp_path / "made") == traveller.held[number]
    traveller.keeper.close()


@pytest.mark.parametrize("cut", [1, 20, 200])
def test_a_copy_that_a_power_cut_spoiled_is_made_again(tmp_path, cut):
    traveller = Traveller(tmp_path, random.Random(1))
    traveller.act("write")
    keeper = traveller.keeper
    keeper.archive()
    traveller.act("write")
    [log] = (traveller.folder / "history").glob("log-*")
    good = log.stat().st_size
    _, frames, _ = keeper.opened.own("PRAGMA wal_checkpoint(PASSIVE)")[0]
    keeper.history.take(traveller.folder / f"{FILE}-wal", frames, keeper.last, traveller.times)
    whole = log.read_bytes()
    log.write_bytes(whole[:-cut] + bytes(cut))
    traveller.act("crash")
    [log] = (traveller.folder / "history").glob("log-*")
    assert log.stat().st_size > good
    for number in traveller.held:
        made = tmp_path / "made"
        traveller.keeper.history.rebuild(made, number)
        assert read(made) == traveller.held[number]
    traveller.keeper.close()


def test_a_history_that_others_have_broken_begins_anew(tmp_path, caplog):
    traveller = Traveller(tmp_path, random.Random(1))
    traveller.act("write")
    traveller.keeper.close()
    for path in (traveller.folder / "history").iterdir():
        path.unlink()
    traveller._open(traveller.folder)
    traveller.act("write")
    traveller.keeper.archive()
    assert "begins anew" in caplog.text
    made = tmp_path / "made"
    traveller.keeper.history.rebuild(made, traveller.keeper.last)
    assert read(made) == traveller.held[traveller.keeper.last]
    traveller.keeper.close()


def test_a_log_that_others_have_emptied_is_noticed_at_once(tmp_path, caplog):
    traveller = Traveller(tmp_path, random.Random(1))
    traveller.act("write")
    there = tmp_path / "there"
    shutil.copytree(traveller.folder, there)
    traveller.keeper.close()
    sqlite3.connect(there / FILE).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    traveller._open(there)
    assert "begins anew" in caplog.text
    last = traveller.keeper.last
    traveller.act("write")
    assert traveller.keeper.restore(last) > last
    assert traveller.dump() == traveller.held[last]
    traveller.keeper.close()


def test_an_older_file_that_was_put_back_goes_on_after_its_history(tmp_path):
    traveller = Traveller(tmp_path, random.Random(1))
    traveller.act("write")
    traveller.keeper.close()
    shutil.copy(traveller.folder / FILE, tmp_path / "kept")
    there = traveller.held[traveller.keeper.last]
    traveller._open(traveller.folder)
    traveller.act("write")
    last = traveller.keeper.last
    traveller.keeper.close()
    shutil.copy(tmp_path / "kept", traveller.folder / FILE)
    traveller._open(traveller.folder)
    assert traveller.dump() == there
    assert traveller.keeper.last > last
    traveller.held[traveller.keeper.last] = there
    again = traveller.keeper.last
    traveller.act("write")
    traveller.keeper.archive()
    for number in range(again, traveller.keeper.last + 1):
        traveller.keeper.history.rebuild(tmp_path / "made", number)
        assert read(tmp_path / "made") == traveller.held[number]
    traveller.keeper.close()


def test_a_copy_that_a_full_disk_cuts_off_is_made_again_and_tells_no_commit_twice(tmp_path):
    traveller = Traveller(tmp_path, random.Random(1))
    traveller.act("write")
    keeper = traveller.keeper
    keeper.archive()
    keeper._look_at = 2**60
    for _ in range(8):  # some of what is to be copied fits, in a block that is whole
        traveller._execute("INSERT INTO t (a) SELECT hex(randomblob(3000)) FROM json_each(?)", str([0] * 150))
    _, frames, _ = keeper.opened.own("PRAGMA wal_checkpoint(PASSIVE)")[0]
    [log] = (traveller.folder / "history").glob("log-*")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 2_500_000, hard))
    try:
        with pytest.raises(OSError, match="large"):
            keeper.history.take(traveller.folder / f"{FILE}-wal", frames, keeper.last, traveller.times)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    traveller.keeper.archive()
    traveller.act("write")
    traveller.act("crash")
    for number in traveller.held:
        traveller.keeper.history.rebuild(tmp_path / "made", number)
        assert read(tmp_path / "made") == traveller.held[number], number
    traveller.keeper.close()


def test_files_of_others_among_the_history_are_left_alone(tmp_path):
    traveller = Traveller(tmp_path, random.Random(1))
    traveller.act("write")
    traveller.keeper.close()
    for name in ("log-1.bak", "base-", "base-1-2-3", "log-notes"):
        (traveller.folder / "history" / name).write_text("mine")
    traveller._open(traveller.folder)
    traveller.act("write")
    traveller.act("restore")
    traveller.keeper.close()
    assert (traveller.folder / "history" / "log-notes").read_text() == "mine"


def test_what_was_before_a_history_that_began_anew_is_out_of_reach(tmp_path):
    traveller = Traveller(tmp_path, random.Random(1))
    traveller.act("write")
    traveller.keeper.close()
    for path in (traveller.folder / "history").iterdir():
        path.unlink()
    traveller._open(traveller.folder)
    with pytest.raises(D1Error, match="older than the history"):
        traveller.keeper.restore(1)
    assert traveller.dump() == traveller.held[traveller.keeper.last]
    traveller.keeper.close()


def read(path: Path) -> list[str]:
    """Give what a file holds, as `Traveller.dump` does."""
    db = sqlite3.connect(path)
    try:
        db.execute("PRAGMA journal_mode=DELETE")
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        tables = db.execute("SELECT sql FROM sqlite_master WHERE name = 't'").fetchall()
        rows = db.execute("SELECT * FROM t ORDER BY id").fetchall() if tables else []
        return [*map(repr, tables), *map(repr, rows)]
    finally:
        db.close()

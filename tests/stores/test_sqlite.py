"""What is SQLite's own: real files, real locks, real deaths."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import os
import re
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.stores.shop import Shop, line, new, numbered
from wflow import stores
from wflow.engine import facts
from wflow.engine.changes import Ended
from wflow.engine.facts import LOGGED
from wflow.errors import InvalidInput, StoreBusy, StoreError, TooMany, UsageError
from wflow.stores import _sqlite_lists, _sqlite_remove, _sqlite_writer, sqlite, statements
from wflow.stores.store import Batch, Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def own(loop: asyncio.Runner, folder: Path) -> Iterator[Shop]:
    """Open a SQLite store, whatever else there is."""
    shop = Shop(f"sqlite://{folder}")
    loop.run(shop.open())
    yield shop
    loop.run(shop.close())


def connections(shop: Shop) -> tuple[sqlite3.Connection, list[sqlite3.Connection]]:
    """Reach for the writer's connection and those of the readers."""
    assert isinstance(shop.store, sqlite.SqliteStore)
    return shop.store._db, shop.store._readers.opened


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start another process that runs ``code``."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# -- the address ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite",
        "sqlite:",
        "sqlite://",
        "oracle:///x",
        "store:///x",
        "statements:///x",
        "_sqlite_writer:///x",
    ],
)
async def test_an_address_of_no_store_is_refused(loop: asyncio.Runner, url: str):
    with pytest.raises(UsageError, match="is no store") as refused:
        await stores.connect(url)
    assert refused.value.hint == "use sqlite:///FOLDER"


@pytest.mark.parametrize("name", ["with space", "quo'te", "per%20cent", "what?", "a#b", "ünï"])
async def test_a_folder_may_have_any_name_and_is_made_if_need_be(
    loop: asyncio.Runner, tmp_path: Path, name: str
):
    folder = tmp_path / "deep" / name
    store = await stores.connect(f"sqlite://{folder}")
    await store.create([new("a")])
    assert await store.find_one("shop", "a") is not None
    await store.close()
    assert sorted(file.name for file in folder.iterdir()) == ["lock", "wflow.sqlite"]
    assert folder.stat().st_mode & 0o077 == 0


async def test_a_folder_that_cannot_be_is_an_error_of_the_store(loop: asyncio.Runner, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot use the data folder"):
        await stores.connect(f"sqlite://{tmp_path / 'file' / 'data'}")


async def test_a_file_that_is_no_database_is_an_error_of_the_store(loop: asyncio.Runner, folder: Path):
    await (await stores.connect(f"sqlite://{folder}")).close()
    (folder / "wflow.sqlite").write_bytes(b"this is no database at all, by no means" * 100)
    with pytest.raises(StoreError, match="cannot read"):
        await stores.connect(f"sqlite://{folder}")
    (folder / "wflow.sqlite").unlink()
    await (await stores.connect(f"sqlite://{folder}")).close()


# -- how it is set ----------------------------------------------------------------------------------------


async def test_every_commit_is_fsynced_into_a_write_ahead_log(loop: asyncio.Runner, own: Shop):
    writer, _ = connections(own)
    assert writer.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert writer.execute("PRAGMA synchronous").fetchone() == (2,)


async def test_what_is_deleted_is_not_overwritten_with_zeros(loop: asyncio.Runner, own: Shop):
    writer, _ = connections(own)
    assert writer.execute("PRAGMA secure_delete").fetchone() == (2,)


async def test_readers_cannot_write(loop: asyncio.Runner, own: Shop):
    await own.store.find("shop")
    _, (reader, *_) = connections(own)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM instances")


# -- one process ------------------------------------------------------------------------------------------


async def test_a_second_process_is_refused_until_the_first_ends(loop: asyncio.Runner, own: Shop):
    code = """
        import asyncio, sys
        from wflow import errors, stores

        async def main():
            try:
                store = await stores.connect(sys.argv[1])
            except errors.StoreBusy as busy:
                print(busy.message, "|", busy.hint)
            else:
                print("mine")
                await store.close()

        asyncio.run(main())
    """
    out, error = python(code, own.url).communicate()
    assert (out.partition("|")[0].strip(), error) == (
        f"another process uses the data folder {own.url.removeprefix('sqlite://')}",
        "",
    )
    assert "stop the other" in out
    await own.close()
    out, _ = python(code, own.url).communicate()
    assert out == "mine\n"
    await own.open()


async def test_a_second_store_in_this_process_is_refused_too(loop: asyncio.Runner, own: Shop):
    with pytest.raises(StoreBusy):
        await stores.connect(own.url)
    await own.create("a")


# -- deaths -----------------------------------------------------------------------------------------------

WRITER = """
    import asyncio, sys
    from tests.stores.shop import Shop, line

    async def main():
        shop = Shop(sys.argv[1])
        await shop.open()
        await shop.create(*(f"i{n}" for n in range(8)))
        await asyncio.gather(*(talk(shop, claim) for claim in await shop.claim()))

    async def talk(shop, claim):
        for seq in range(1_000_000):
            assert await shop.say(claim, line(f"{claim.id} {seq + 1}"), after=seq) == []
            print(claim.id, seq + 1, flush=True)

    asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 50, 333])
async def test_a_kill_loses_nothing_that_was_acknowledged(loop: asyncio.Runner, folder: Path, lines: int):
    url = f"sqlite://{folder}"
    with python(WRITER, url) as writer:
        assert writer.stdout is not None
        told = [writer.stdout.readline() for _ in range(lines)]
        os.kill(writer.pid, signal.SIGKILL)
        told += writer.stdout.readlines()
    assert writer.returncode == -signal.SIGKILL
    acknowledged = dict(each.split() for each in told if each.endswith("\n"))
    shop = Shop(url)
    await shop.open()
    for id_, seq in acknowledged.items():
        said = await own_words(shop, id_)
        assert len(said) >= int(seq)
        assert said == [f"{id_} {n}" for n in range(1, len(said) + 1)]
    assert {claim.id for claim in await shop.claim()} == {f"i{n}" for n in range(8)}
    await shop.close()


async def own_words(shop: Shop, id_: str) -> list[str]:
    past = await shop.store.load({(await shop.get(id_)).key: 0})
    decoded = [facts.decode(raw) for each in past.values() for raw in each.records]
    return [fact.message for fact in decoded if isinstance(fact, facts.Logged)]


def test_a_process_that_forgets_to_close_ends_all_the_same(folder: Path):
    code = """
        import asyncio, sys
        from wflow import stores
        from tests.stores.shop import new

        async def main():
            store = await stores.connect(sys.argv[1])
            asyncio.ensure_future(store.create([new("a")]))
            await asyncio.sleep(0)
            return store

        store = asyncio.run(main())
        print("done")
    """
    out, error = python(code, f"sqlite://{folder}").communicate(timeout=20)
    assert (out, error) == ("done\n", "")


# -- versions ---------------------------------------------------------------------------------------------


async def test_a_folder_of_a_newer_wflow_is_refused_and_left_alone(loop: asyncio.Runner, own: Shop):
    await own.create("a")
    writer, _ = connections(own)
    known = len(statements.MIGRATIONS)
    assert writer.execute("PRAGMA user_version").fetchone() == (known,)
    writer.execute(f"PRAGMA user_version = {known + 1}")
    await own.close()
    with pytest.raises(StoreError, match=f"its schema is {known + 1}, this one knows {known}") as refused:
        await own.open()
    assert refused.value.hint == "update wflow"
    database = sqlite3.connect(own.url.removeprefix("sqlite://") + "/wflow.sqlite")
    database.execute(f"PRAGMA user_version = {known}")
    database.close()
    await own.open()
    assert await own.status("a") == "queued"


async def test_migrations_are_applied_all_or_none_and_from_where_the_folder_is(
    loop: asyncio.Runner, own: Shop, monkeypatch: pytest.MonkeyPatch
):
    await own.create("a")
    await own.close()
    known = statements.MIGRATIONS
    good = "CREATE TABLE later (x INTEGER);"
    monkeypatch.setattr(statements, "MIGRATIONS", (*known, good, "CREATE TABLE later (y INTEGER);"))
    with pytest.raises(StoreError, match="table later already exists"):
        await own.open()
    monkeypatch.setattr(statements, "MIGRATIONS", (*known, good, "INSERT INTO later VALUES (7);"))
    await own.open()
    writer, _ = connections(own)
    assert writer.execute("SELECT x FROM later").fetchall() == [(7,)]
    assert writer.execute("PRAGMA user_version").fetchone() == (len(known) + 2,)
    assert await own.status("a") == "queued"


FIRST_DATA = """
    INSERT INTO instances (key, workflow, id, version, status, epoch, owner, wake_at, awaits, created_at,
        modified_at, started_at, ended_at, trigger, params, output)
    VALUES (1, 'shop', 'queued', 'v1', 'queued', 0, NULL, NULL, NULL, 1, 1, NULL, NULL, 'api', x'c0', NULL),
           (2, 'shop', 'held', 'v1', 'running', 3, 'runner', NULL, NULL, 2, 5, 5, NULL, 'api', x'c0', NULL),
           (3, 'shop', 'waiting', 'v1', 'waiting', 1, NULL, 500, '["paid"]', 3, 6, 5, NULL, 'api', x'c0',
            NULL),
           (4, 'shop', 'over', 'v1', 'complete', 1, NULL, NULL, NULL, 4, 7, 5, 7, 'api', x'c0', x'01'),
           (5, 'shop', 'paused', 'v1', 'paused', 1, NULL, NULL, NULL, 5, 8, 5, NULL, 'api', x'c0', NULL);
    INSERT INTO inbox (instance, type, payload, sent_at) VALUES (5, 'paid', x'c0', 8);
    INSERT INTO cells (space, key, meta, value) VALUES ('kv', 'a', x'', x'01');
"""


def test_a_migration_that_has_been_applied_somewhere_stays_as_it_is():
    digests = [hashlib.sha256(script.encode()).hexdigest()[:16] for script in statements.MIGRATIONS[:4]]
    assert digests == ["67573fbec6e2ebd8", "6beac013b25d9b37", "a4db307ed097d86f", "9bf889eb5a8256ab"]


async def test_a_folder_of_the_first_wflow_opens_and_works(loop: asyncio.Runner, own: Shop):
    await own.close()
    database = Path(own.url.removeprefix("sqlite://")) / "wflow.sqlite"
    database.unlink()
    first = sqlite3.connect(database)
    first.executescript(statements.MIGRATIONS[0] + FIRST_DATA + "PRAGMA user_version = 1;")
    rows = [(1, 2, 1, LOGGED, 6, facts.encode(line("one"))), (2, 4, 1, LOGGED, 7, facts.encode(line("two")))]
    first.executemany(statements.APPEND, rows)
    first.commit()
    first.close()
    await own.open()
    assert {one.id: (one.status, one.tags, one.parent) for one in await own.store.find("shop")} == {
        "queued": ("queued", (), None),
        "held": ("running", (), None),
        "waiting": ("waiting", (), None),
        "over": ("complete", (), None),
        "paused": ("paused", (), None),
    }
    assert await own.store.counts("shop") == dict.fromkeys(
        ("queued", "running", "waiting", "complete", "paused"), 1
    )
    assert await own.store.versions(["shop"]) == {"v1"}
    assert [one.id for one in await own.store.find("shop", skip=3)] == ["held", "queued"]
    assert (await own.get("over")).output == b"\x01"
    assert await own.store.retire(now=10**15, limit=10) == 0
    await own.store.deliver(3, "paid", b"", now=400)
    held, waiting, queued = await own.claim(now=400)
    assert [(one.id, one.epoch, one.seq, one.died, one.seed) for one in (held, waiting, queued)] == [
        ("held", 4, 1, True, b""),
        ("waiting", 2, 0, False, b""),
        ("queued", 1, 0, False, b""),
    ]
    assert await own.say(held, line("three"), change=Ended(held.key, 410, "complete")) == []
    assert (await own.store.restart(4, version="v2", seed=b"s", now=420)).instance.status == "queued"
    assert (await own.store.move(5, "resume", now=430)).instance.status == "queued"
    assert [one.id for one in await own.claim(now=440)] == ["over", "paused"]
    claim = await own.claimed("new", now=450, tags=["vip"], parent=waiting.key, awaited=".child-x-1")
    await own.end(claim)
    assert [event for _, event in await own.events(waiting.key)] == ["paid", ".child-x-1"]
    assert list(await own.store.read("kv", ["a"], now=1)) == ["a"]


# -- a full disk ------------------------------------------------------------------------------------------


async def test_a_full_disk_is_an_error_and_the_store_goes_on_when_there_is_space(
    loop: asyncio.Runner, own: Shop
):
    claim = await own.claimed("a")
    writer, _ = connections(own)
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 20}")
    for said in range(5):
        assert await own.say(claim, line("x" * 10_000), after=said) == []
    for _ in range(3):
        with pytest.raises(StoreError, match="full") as full:
            await own.say(claim, line("x" * 100_000), after=5)
        assert full.value.hint == "free some disk space; nothing of this was kept"
    assert len(await own.facts(claim.key)) == 5
    writer.execute("PRAGMA max_page_count = 1000000")
    assert await own.say(claim, line("at last"), after=5) == []
    await own.reopen()
    assert len(await own.facts(claim.key)) == 6


async def test_on_a_full_disk_what_fits_is_kept_beside_what_does_not(loop: asyncio.Runner, own: Shop):
    writer, _ = connections(own)
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 20}")
    large = Cell(space="kv", key="large", value=bytes(10**6))
    small = Cell(space="kv", key="small", value=b"1")
    results = await asyncio.gather(
        own.store.write([small]),
        own.store.write([large]),
        own.store.create([new("a")]),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), StoreError, list]
    assert list(await own.store.read("kv", ["small", "large"], now=1)) == ["small"]
    assert await own.status("a") == "queued"


def test_a_disk_that_takes_no_more_costs_nothing_that_was_acknowledged(folder: Path):
    code = """
        import asyncio, resource, signal, sys
        from tests.stores.shop import Shop, line
        from wflow.errors import StoreError

        async def main():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            shop = Shop(sys.argv[1])
            await shop.open()
            claim = await shop.claimed("a")
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, hard))
            said = 0
            try:
                while True:
                    assert await shop.say(claim, line("x" * 10_000), after=said) == []
                    said += 1
            except StoreError:
                pass
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
            assert await shop.say(claim, line("at last"), after=said) == []
            await shop.reopen()
            print(said, len(await shop.facts(claim.key)))
            await shop.close()

        asyncio.run(main())
    """
    out, error = python(code, f"sqlite://{folder}").communicate(timeout=40)
    assert error == ""
    said, kept = map(int, out.split())
    assert kept == said + 1 > 5


# -- what is left over ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["delete", "retire"])
async def test_of_what_is_deleted_no_table_has_a_row(loop: asyncio.Runner, own: Shop, how: str):
    claim = await own.claimed("a", tags=["vip"], success_retention_ms=0)
    await own.store.deliver(claim.key, "paid", b"", now=11)
    await own.say(claim, line("one"))
    if how == "delete":
        await own.store.delete([claim.key], now=20)
        assert await own.store.retire(now=20, limit=1) == 0
    else:
        await own.say(claim, change=Ended(claim.key, 20, "complete"), after=1)
        assert await own.store.retire(now=20, limit=1) == 1
    writer, _ = connections(own)
    left = [row for row in writer.iterdump() if row.startswith("INSERT INTO") and "sequence" not in row]
    assert [row for row in left if '"marks"' not in row] == []


# -- group commit -----------------------------------------------------------------------------------------


async def test_what_arrives_together_is_committed_together(loop: asyncio.Runner, own: Shop):
    writer, _ = connections(own)
    said: list[str] = []
    writer.set_trace_callback(said.append)
    await asyncio.gather(*(own.create(f"i{n}") for n in range(500)))
    writer.set_trace_callback(None)
    commits = sum(each == "COMMIT" for each in said)
    assert 1 <= commits <= 20
    assert sum(each == "BEGIN IMMEDIATE" for each in said) == commits


async def test_a_poisonous_operation_is_left_out_and_only_the_others_are_run_again(
    loop: asyncio.Runner, own: Shop
):
    claim = await own.claimed("a")
    other = sqlite3.connect(own.url.removeprefix("sqlite://") + "/wflow.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    one = own.store.note([(LOGGED, 1, b"")])
    poison = own.store.note([(None, 2, b"")])  # type: ignore[list-item]
    two = own.say(claim, line("two"))
    more_poison = own.store.note([(LOGGED, 10**40, b"")])
    three = own.store.note([(LOGGED, 3, b"")])
    # All of them come while another process writes: most, or all, will be in one transaction.
    together = asyncio.gather(one, poison, two, more_poison, three, return_exceptions=True)
    await asyncio.sleep(0)
    other.execute("COMMIT")
    other.close()
    results = await together
    raised = [type(result) for result in results if isinstance(result, Exception)]
    assert raised == [StoreError, InvalidInput]
    assert [record.at for record in await own.store.tail(0)] == [1, 15, 3]


# -- what is found by an index ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "index"),
    [
        (statements.DUE, "instances_due"),
        (statements.NEXT_QUEUED, "instances_ready"),
        (statements.DUE_IN_LINE, "instances_due_aside"),
        (statements.QUEUED_IN_LINE, "instances_in_line"),
        (statements.NEXT_IN_LINE, "instances_due_aside"),
        (statements.NEXT_IN_LINE, "instances_in_line"),
        (statements.HELD, "instances_held"),
        (statements.HELD_KEYS, "instances_held"),
        (statements.DUE_AT, "instances_due"),
        (statements.KEYS_NEWEST, "instances_by_status"),
        (statements.FIND_TAGGED_NEWEST, "instances_by_tag"),
        (statements.FIND_TAGGED_OLDEST, "instances_by_tag"),
        (statements.EXPIRED, "instances_by_expiry"),
        (statements.FOLLOWERS, "instances_by_parent"),
        (statements.CHILDREN, "instances_by_parent"),
        (statements.DELETE_RECORDS, "records_by_instance"),
        (statements.CUT_RECORDS, "records_by_instance"),
        (statements.FORGET_EVENTS, "inbox_by_instance"),
        (statements.KEPT, "inbox_by_instance"),
    ],
)
async def test_no_table_is_read_from_end_to_end(loop: asyncio.Runner, own: Shop, statement: str, index: str):
    writer, _ = connections(own)
    named = dict.fromkeys(re.findall(r":(\w+)", statement), "[]")
    wanted = named or ["[]" for _ in range(statement.count("?"))]
    plan = [row[3] for row in writer.execute(f"EXPLAIN QUERY PLAN {statement}", wanted)]
    assert any(index in step for step in plan)
    assert [step for step in plan if step.startswith("SCAN ") and "json_each" not in step] in (
        [],
        ["SCAN (subquery-1)"],
    )


# -- what does not escape ---------------------------------------------------------------------------------


async def test_no_error_of_sqlite_reaches_a_caller(loop: asyncio.Runner, own: Shop):
    claim = await own.claimed("a")
    store = own.store
    odd = object()
    calls = [
        store.create([new(odd)]),  # type: ignore[arg-type]
        store.claim({odd: 1}, owner="me", now=1),  # type: ignore[dict-item]
        store.load({odd: 0}),  # type: ignore[dict-item]
        store.release([(claim.key, odd)], now=1),  # type: ignore[list-item]
        store.move(odd, "terminate", now=1),  # type: ignore[arg-type]
        store.deliver(odd, "paid", b"", now=1),  # type: ignore[arg-type]
        store.find_one(odd, "a"),  # type: ignore[arg-type]
        store.find("shop", after=odd),  # type: ignore[arg-type]
        store.counts(odd),  # type: ignore[arg-type]
        store.due_at([odd]),  # type: ignore[list-item]
        store.delete([odd], now=1),  # type: ignore[list-item]
        store.restart(claim.key, version=odd, seed=b"", now=1),  # type: ignore[arg-type]
        store.retire(now=odd, limit=1),  # type: ignore[arg-type]
        store.journal(odd),  # type: ignore[arg-type]
        store.note([(odd, 1, b"")]),  # type: ignore[list-item]
        store.tail(odd),  # type: ignore[arg-type]
        store.read("kv", [odd], now=1),  # type: ignore[list-item]
        store.write([Cell(space="kv", key=odd, value=b"")]),  # type: ignore[arg-type]
    ]
    for call in calls:
        with pytest.raises(StoreError):
            await call
    assert await own.status("a") == "running"


async def test_a_database_that_breaks_is_an_error_of_the_store(loop: asyncio.Runner, own: Shop):
    writer, _ = connections(own)
    writer.execute("DROP TABLE inbox")
    (key,) = await own.create("a")
    for broken in (own.store.deliver(key, "paid", b"", now=1), own.store.load({key: 0})):
        with pytest.raises(StoreError, match="no such table: inbox"):
            await broken
    assert await own.status("a") == "queued"


# -- how much is done, and how little --------------------------------------------------------------------


@contextlib.contextmanager
def saying(shop: Shop) -> Iterator[list[str]]:
    """Note down what is said to the database by the one that writes."""
    writer, _ = connections(shop)
    said: list[str] = []
    writer.set_trace_callback(said.append)
    yield said
    writer.set_trace_callback(None)


def steps(shop: Shop, *asked: Callable[[sqlite3.Connection], object]) -> list[int]:
    """Count, in tens, the steps that the database takes for each of some questions."""
    db = sqlite3.connect(shop.url.removeprefix("sqlite://") + "/wflow.sqlite")
    counted: list[int] = []

    def count() -> int:
        counted[-1] += 1
        return 0

    db.set_progress_handler(count, 10)
    for ask in asked:
        counted.append(0)
        ask(db)
    db.close()
    return counted


async def test_what_is_asked_of_a_long_queue_costs_as_much_as_of_a_short_one(loop: asyncio.Runner, own: Shop):
    page = _sqlite_lists.Wanted(
        workflow="shop", status=None, tag=None, after=None, newest_first=True, skip=0, limit=26
    )

    def asked(skip: int) -> list[int]:
        queued = replace(page, status="queued", skip=skip)
        return steps(
            own,
            lambda db: _sqlite_lists.counts(db, "shop"),
            lambda db: _sqlite_lists.versions(db, ["shop"]),
            lambda db: db.execute(statements.QUEUED, ("shop",)).fetchall(),
            lambda db: _sqlite_lists.find(db, queued),
            lambda db: _sqlite_lists.find(db, replace(page, newest_first=False, skip=skip)),
            lambda db: _sqlite_lists.find(db, page),
            lambda db: db.execute(statements.DUE_AT, ("shop",)).fetchall(),
            lambda db: db.execute(statements.FIND_ONE, ("shop", "i7")).fetchall(),
        )

    await own.create(*(f"i{n}" for n in range(1_000)))
    few = asked(skip=700)
    for start in range(1_000, 40_000, 1_000):
        await own.create(*(f"i{n}" for n in range(start, start + 1_000)))
    many = asked(skip=37_000)
    more = [after - before for before, after in zip(few, many, strict=True)]
    # In tens of steps: a few for each block of the queue, and the way to a page leads through one block.
    blocks = 40_000 // _sqlite_lists.BLOCK + 1
    assert max(more[:3]) <= 3 * blocks
    assert max(more[3:5]) <= 5 * blocks + 3 * _sqlite_lists.BLOCK
    assert max(more[5:]) <= 1


async def test_to_create_one_costs_no_more_behind_a_long_queue(loop: asyncio.Runner, own: Shop):
    await own.create(*(f"i{n}" for n in range(9_000)))
    with saying(own) as said:
        await own.create("one")
    assert not [each for each in said if each.lstrip().startswith("SELECT")]


async def test_what_goes_on_under_claims_that_are_known_asks_the_database_nothing(
    loop: asyncio.Runner, own: Shop
):
    await own.create(*(f"i{n}" for n in range(500)))
    claims = await own.claim(500)
    rows = [row for claim in claims for row in numbered(claim.key, (line("x"), line("y")), after=0)]
    batch = Batch(claims=[(claim.key, claim.epoch) for claim in claims], rows=rows)
    with saying(own) as said:
        assert (await own.store.append(batch)).refused == []
    assert [each for each in said if "SELECT" in each] == []
    assert len(said) < 2 + 1_000 / 64 + 1_000 % 64 / 8 + 8
    over = [Ended(claim.key, 30, "complete") for claim in claims]
    with saying(own) as said:
        assert (await own.store.append(Batch(claims=batch.claims, changes=over))).refused == []
    assert [each for each in said if each.lstrip().startswith("DELETE FROM inbox")] == []
    assert sum("SELECT" in each and "follows" in each for each in said) == 1


async def test_a_retention_takes_no_long_transaction(loop: asyncio.Runner, own: Shop):
    await own.create(*(f"i{n}" for n in range(300)), success_retention_ms=0)
    claims = await own.claim(300)
    for claim in claims:
        long = claim is claims[0]
        rows = numbered(claim.key, tuple(line("x") for _ in range(4_000 if long else 3)), after=0)
        batch = Batch(
            claims=[(claim.key, claim.epoch)], rows=rows, changes=[Ended(claim.key, 30, "complete")]
        )
        assert (await own.store.append(batch)).refused == []
    writer, _ = connections(own)
    changed = [writer.total_changes]
    writer.set_trace_callback(lambda said: changed.append(writer.total_changes) if said == "COMMIT" else None)
    assert await own.store.retire(now=40, limit=1_000) == 300
    writer.set_trace_callback(None)
    gone = [after - before for before, after in itertools.pairwise(changed)]
    assert sum(gone) > 4_000 + 299 * 3 + 300
    assert max(gone) <= _sqlite_remove.ROWS + 10 * _sqlite_remove.AT_ONCE


# -- a disk that is slow -----------------------------------------------------------------------------------


async def test_a_store_that_is_behind_takes_no_new_instances_and_refuses_nothing_else(
    loop: asyncio.Runner, own: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_sqlite_writer, "WAITING_BYTES", 1_000)
    claim = await own.claimed("a")
    other = sqlite3.connect(own.url.removeprefix("sqlite://") + "/wflow.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waits = [asyncio.ensure_future(own.say(claim, line("x" * 1_000)))]
    await asyncio.sleep(0)
    assert own.store.pressure.share > 1
    with pytest.raises(
        TooMany, match=r"the store is behind: 1 writes, 1,0\d\d bytes, wait for the disk"
    ) as wrong:
        await own.create("b")
    assert wrong.value.retry_after_s == 1
    waits.append(asyncio.ensure_future(own.say(claim, line("y" * 1_000), after=1)))
    await asyncio.sleep(0)
    other.execute("COMMIT")
    other.close()
    assert await asyncio.gather(*waits) == [[], []]
    assert own.store.pressure.share == 0
    await own.create("b")


async def test_a_transaction_that_has_many_rows_takes_no_more_in(
    loop: asyncio.Runner, own: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_sqlite_writer, "ROWS", 100)
    with saying(own) as said:
        await asyncio.gather(*(own.create(*(f"i{n}-{m}" for m in range(60))) for n in range(6)))
    assert sum(each == "COMMIT" for each in said) >= 3


def test_a_folder_of_the_first_wflow_has_its_instances_counted(loop: asyncio.Runner, folder: Path):
    folder.mkdir()
    first = sqlite3.connect(folder / "wflow.sqlite")
    first.executescript(statements.MIGRATIONS[0] + FIRST_DATA + "PRAGMA user_version = 1;")
    first.close()
    shop = Shop(f"sqlite://{folder}")
    loop.run(shop.open())
    counted = {"queued": 1, "running": 1, "waiting": 1, "complete": 1, "paused": 1}
    assert loop.run(shop.store.counts("shop")) == counted
    assert loop.run(shop.store.versions(["shop"])) == {"v1"}
    assert [one.key for one in loop.run(shop.store.find("shop", skip=2))] == [3, 2, 1]
    loop.run(shop.close())


async def test_a_cell_is_read_as_it_is_on_disk_though_whoever_wrote_it_did_not_wait(
    loop: asyncio.Runner, own: Shop
):
    assert isinstance(own.store, sqlite.SqliteStore)
    free = threading.Event()
    await own.store.write([Cell(space="kv", key="a", value=b"1")])
    busy = own.store._writer.submit(lambda _: free.wait(10))
    try:
        writing = asyncio.ensure_future(own.store.write([Cell(space="kv", key="a", value=b"2")]))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.wait([writing])
        assert (await own.store.read("kv", ["a"], now=1))["a"].value == b"1"
    finally:
        free.set()
    await busy
    await own.store.note([])
    assert (await own.store.read("kv", ["a"], now=1))["a"].value == b"2"
    assert not own.store._cells._writing

"""A database: transactions, limits, and what goes on beside what."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import suppress
from hashlib import md5

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.databases.asked import Asked, Clock
from wflow.databases import Databases, bookmarks, limits
from wflow.databases.executing import Statement, run
from wflow.databases.faults import CROWDED, QUEUED, D1Error, D1Overloaded

FOREVER = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c"


async def test_a_batch_that_fails_leaves_nothing(asked):
    await asked.run("CREATE TABLE t (a UNIQUE)")
    before = await asked.database.bookmark()
    message = await asked.refusal(
        "INSERT INTO t VALUES (1)", "CREATE TABLE u (a)", "INSERT INTO t VALUES (1)"
    )
    assert message == "D1_ERROR: UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT"
    assert await asked.rows("SELECT name FROM sqlite_master WHERE name IN ('t', 'u')") == [["t"]]
    assert await asked.rows("SELECT * FROM t") == []
    assert await asked.database.bookmark() == before


async def test_what_changes_nothing_is_no_commit(asked):
    first = await asked.run("CREATE TABLE t (a)")
    for sql in ("UPDATE t SET a = 1", "DELETE FROM t", "SELECT 1", "CREATE TABLE IF NOT EXISTS t (a)"):
        assert (await asked.run(sql)).bookmark >= first.bookmark
    assert (await asked.run("INSERT INTO t VALUES (1)")).bookmark > first.bookmark


async def test_a_runaway_write_is_stopped_at_its_limit_and_leaves_nothing(asked):
    await asked.run("CREATE TABLE t (a)")

    def runs_away(opened):
        return run(opened, [Statement("INSERT INTO t VALUES (1)"), Statement(f"INSERT INTO t {FOREVER}")])

    with pytest.raises(D1Error, match="storage operation exceeded timeout"):
        await asked.database.write(runs_away, 0.05)
    assert await asked.rows("SELECT * FROM t") == []


async def test_a_read_that_nobody_waits_for_any_more_is_stopped(asked):
    await asked.run("CREATE TABLE t (a)")
    tasks = [asyncio.create_task(asked.run(FOREVER)) for _ in range(limits.READERS)]
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*tasks), 0.05)
    assert await asked.rows("SELECT 1") == [[1]], "the threads are free again"


async def test_a_slow_write_holds_up_no_reader_and_no_other_database(asked, databases):
    await asked.run("CREATE TABLE t (a)")
    other = Asked(await databases.open((await databases.create("other")).id))
    go, began = threading.Event(), threading.Event()

    def slow(opened):
        answers = run(opened, [Statement("INSERT INTO t VALUES (1)")])
        began.set()
        go.wait(30)
        return answers

    task = asyncio.create_task(asked.database.write(slow, 30))
    await asyncio.to_thread(began.wait, 30)
    assert await asked.rows("SELECT * FROM t") == [], "it is not committed"
    await other.run("CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    waiting = asyncio.create_task(asked.run("INSERT INTO t VALUES (2)"))
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(task, waiting)
    assert await asked.rows("SELECT a FROM t") == [[1], [2]]


async def test_who_waits_too_long_or_stands_behind_too_many_is_told(asked):
    await asked.run("CREATE TABLE t (a)")
    go = threading.Event()
    slow = asyncio.create_task(asked.database.write(lambda _: go.wait(30), 30))
    await asyncio.sleep(0)
    lane = asked.database._writer
    with pytest.raises(D1Overloaded) as late:
        await lane.run(lambda _: None, wait_s=0.01)
    assert late.value.message == QUEUED
    waiting = [asyncio.create_task(lane.run(lambda _: None)) for _ in range(limits.WAITING - 1)]
    await asyncio.sleep(0)
    with pytest.raises(D1Overloaded) as crowded:
        await lane.run(lambda _: None)
    assert crowded.value.message == CROWDED
    go.set()
    await asyncio.gather(slow, *waiting)


async def test_a_result_larger_than_an_answer_may_be_is_refused(asked):
    await asked.run(
        "CREATE VIEW c AS SELECT key FROM json_each('[1,2,3,4,5,6,7,8,9,10,1,2,3,4,5,6,7,8,9,10]')"
    )
    big = "SELECT zeroblob(1000000) FROM c AS one, c AS two"
    assert "the result takes more than" in await asked.refusal(big)
    rows = await asked.rows("SELECT zeroblob(10000) FROM c AS one, c AS two")
    assert sum(len(row[0]) for row in rows) == 4_000_000


async def test_what_a_step_writes_is_written_once_and_answers_the_same(asked):
    await asked.run("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
    insert = "INSERT INTO t (a) VALUES ('x') RETURNING id"
    first = await asked.run(insert, effect=b"1" * 16)
    again = await asked.run(insert, effect=b"1" * 16)
    other = await asked.run(insert, effect=b"2" * 16)
    assert [list(each.answers[0].rows()) for each in (first, again, other)] == [[[1]], [[1]], [[2]]]
    with pytest.raises(D1Error):
        await asked.run("INSERT INTO t (id) VALUES (1)", effect=b"3" * 16)
    await asked.run("INSERT INTO t (id) VALUES (9)", effect=b"3" * 16)
    assert await asked.rows("SELECT id FROM t") == [[1], [2], [9]], "one that failed was not made"


async def test_a_write_in_a_step_that_found_nothing_to_write_is_tried_again(asked):
    await asked.run("CREATE TABLE jobs (id INTEGER PRIMARY KEY, taken INTEGER DEFAULT 0)")
    take = "UPDATE jobs SET taken = taken + 1 WHERE taken = 0 RETURNING id"
    key = b"1" * 16
    assert list((await asked.run(take, effect=key)).answers[0].rows()) == []
    await asked.run("INSERT INTO jobs (id) VALUES (7)")
    for _ in range(2):
        assert list((await asked.run(take, effect=key)).answers[0].rows()) == [[7]]
    assert await asked.rows("SELECT taken FROM jobs") == [[1]]


async def test_settings_of_one_call_end_with_it(asked):
    await asked.run("CREATE TABLE a (id INTEGER PRIMARY KEY)", "CREATE TABLE b (a REFERENCES a (id))")
    await asked.run(
        "PRAGMA case_sensitive_like=ON", "PRAGMA recursive_triggers=ON", "INSERT INTO a VALUES (1)"
    )
    await asked.run("PRAGMA case_sensitive_like=ON")
    assert await asked.rows("SELECT 'a' LIKE 'A'") == [[1]]
    assert "FOREIGN KEY constraint failed" in await asked.refusal("INSERT INTO b VALUES (7)")
    deferred = ("PRAGMA defer_foreign_keys=TRUE", "INSERT INTO b VALUES (7)", "INSERT INTO a VALUES (7)")
    await asked.run(*deferred)
    assert "FOREIGN KEY" in await asked.refusal("PRAGMA defer_foreign_keys=TRUE", "INSERT INTO b VALUES (8)")
    assert "FOREIGN KEY" in await asked.refusal("INSERT INTO b VALUES (8)")


@pytest.mark.parametrize(
    "sql",
    [
        "BEGIN IMMEDIATE",
        "COMMIT",
        "ROLLBACK",
        "SAVEPOINT a",
        "ATTACH 'x.sqlite' AS x",
        "DETACH main",
        "VACUUM",
        "/* a */ VACUUM INTO 'x.sqlite'",
        "SELECT load_extension('x')",
        "CREATE TABLE _cf_mine (a)",
        "CREATE TABLE _CF_mine (a)",
        "INSERT INTO _cf_EFFECTS (key, at, result) VALUES (x'00', 1, x'00')",
        "UPDATE _cf_COMMITS SET at = 0",
        "DELETE FROM _cf_commits",
        "DROP TABLE _cf_EFFECTS",
        "ALTER TABLE _cf_EFFECTS RENAME TO mine",
        "CREATE INDEX i ON _cf_COMMITS (at)",
        "CREATE TRIGGER t AFTER INSERT ON _cf_COMMITS BEGIN SELECT 1; END",
        "SELECT count(*) FROM _cf_EFFECTS",
        "CREATE TEMP TABLE t (a)",
        "CREATE TABLE temp.t (a)",
        'CREATE VIEW "TEMP".t AS SELECT 1',
        "CREATE TRIGGER temp.t AFTER INSERT ON sqlite_master BEGIN SELECT 1; END",
        "CREATE VIRTUAL TABLE temp.t USING fts5(a)",
        "CREATE VIRTUAL TABLE t USING rtree(a, b, c)",
        "SELECT * FROM dbstat",
        "PRAGMA writable_schema=ON",
        "PRAGMA query_only=OFF",
        "PRAGMA synchronous=OFF",
        "PRAGMA wal_checkpoint",
        "SELECT * FROM pragma_wal_checkpoint",
        "UPDATE sqlite_master SET sql = ''",
        "INSERT INTO sqlite_schema (name) VALUES ('x')",
    ],
)
async def test_sql_reaches_nothing_but_its_own_tables(asked, sql):
    assert (await asked.refusal(sql)).startswith("D1_ERROR: ")
    assert (await asked.refusal("SELECT 1", sql)).startswith("D1_ERROR: ")
    await asked.run("CREATE TABLE fine (a)", "INSERT INTO fine VALUES (1)")


async def test_a_view_or_a_trigger_opens_no_way_to_hidden_tables(asked):
    await asked.run("CREATE TABLE t (a)")
    with suppress(D1Error):
        await asked.run("CREATE VIEW v AS SELECT * FROM _cf_COMMITS")
        await asked.refusal("SELECT * FROM v")
    with suppress(D1Error):
        await asked.run("CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM _cf_COMMITS; END")
    with suppress(D1Error):
        await asked.run("INSERT INTO t VALUES (1)")
    assert (await asked.database.bookmark()) == bookmarks.written(
        asked.database.id, asked.database._keeper.last
    )
    assert asked.database._keeper.opened.own("SELECT max(n) FROM _cf_COMMITS") == [
        (asked.database._keeper.last,)
    ]


async def test_full_text_search_and_json_are_there(asked):
    await asked.run("CREATE VIRTUAL TABLE f USING fts5(a)", "INSERT INTO f VALUES ('hello world')")
    assert await asked.rows("SELECT a FROM f WHERE f MATCH 'world'") == [["hello world"]]
    assert await asked.rows("SELECT value FROM json_each(?)", "[1,2]") == [[1], [2]]
    assert await asked.rows("SELECT name FROM pragma_table_info('f')") == [["a"]]


async def test_a_bookmark_of_a_time_is_that_of_the_last_commit_by_then(asked, clock):
    marks = []
    for number in range(3):
        clock.at += 60_000
        marks.append((clock.at, (await asked.run(f"CREATE TABLE t{number} (a)")).bookmark))
    for at, mark in marks:
        assert await asked.database.bookmark(at) == mark
        assert await asked.database.bookmark(at + 59_999) == mark
    with pytest.raises(D1Error, match="no history of that time"):
        await asked.database.bookmark(1)


async def test_an_import_that_is_cut_off_by_the_end_of_the_runner_leaves_nothing(databases, tmp_path, clock):
    asked = Asked(await databases.open((await databases.create("long")).id))
    await asked.run("CREATE TABLE t (a)")
    transfers = await databases.transfers("long")
    text = b"INSERT INTO t VALUES (1);" * 200_000
    name = transfers.filename(md5(text, usedforsecurity=False).hexdigest())

    async def pieces():
        yield text

    await transfers.upload(name, pieces())
    transfer = await transfers.ingest(name)
    await asyncio.sleep(0.05)
    await databases.close()
    assert transfer.task.cancelled()
    later = Databases(tmp_path / "d1", clock)
    assert await Asked(await later.open((await later.get("long")).id)).rows("SELECT a FROM t") == []
    await later.close()


async def test_a_database_that_was_closed_goes_on(databases, tmp_path, clock):
    about = await databases.create("again")
    asked = Asked(await databases.open(about.id))
    last = (await asked.run("CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")).bookmark
    await databases.close()
    later = Databases(tmp_path / "d1", clock)
    asked = Asked(await later.open(about.id))
    assert await asked.rows("SELECT a FROM t") == [[1]]
    assert await asked.database.bookmark() == last
    assert (await later.get("again")).id == about.id
    await later.close()


VALUES = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(), st.binary()
)
ROW = st.tuples(st.just("INSERT OR REPLACE INTO t VALUES (?1, ?2)"), st.tuples(st.integers(0, 9), VALUES))
OTHERS = st.sampled_from(
    [
        ("SELECT * FROM t ORDER BY id", ()),
        ("DELETE FROM t WHERE id % 3 = 0", ()),
        ("UPDATE t SET a = id", ()),
        ("INSERT INTO t VALUES (4, 'four')", ()),
        ("INSERT INTO t SELECT id + 10, a FROM t RETURNING id", ()),
        ("CREATE TABLE u (a)", ()),
        ("DROP TABLE u", ()),
        ("SELECT * FROM u", ()),
        ("WITH n AS (SELECT max(id) AS m FROM t) SELECT m FROM n", ()),
    ]
)


@settings(max_examples=settings().max_examples // 5)
@given(st.lists(st.lists(st.one_of(ROW, OTHERS), min_size=1, max_size=4), max_size=12))
def test_batches_are_what_sqlite_makes_of_them(tmp_path_factory, batches):
    model = sqlite3.connect(":memory:", isolation_level=None)
    model.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")

    async def story():
        databases = Databases(tmp_path_factory.mktemp("model"), Clock())
        asked = Asked(await databases.open("model"))
        seen = (await asked.run("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")).bookmark
        for batch in batches:
            try:
                outcome = await asked.database.query(
                    [Statement(sql, list(params)) for sql, params in batch], since=seen
                )
                given: object = [list(map(tuple, answer.rows())) for answer in outcome.answers]
                assert outcome.bookmark >= seen
                seen = outcome.bookmark
            except D1Error as refused:
                given = refused.plain.rpartition(": ")[0]
            assert given == played(model, batch)
        await databases.close()

    asyncio.run(story())
    model.close()


def played(model, batch):
    """Play a batch on plain SQLite: the rows of each statement, or the error of the one that failed."""
    model.execute("BEGIN")
    try:
        given = [model.execute(sql, params).fetchall() for sql, params in batch]
    except sqlite3.Error as refused:
        model.execute("ROLLBACK")
        return str(refused)
    model.execute("COMMIT")
    return given

"""D1, from the stub through the provider to the disk."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.bindings.small_control import SmallControl, link, with_control
from wflow.bindings import d1
from wflow.databases import Databases
from wflow.databases.faults import D1Error
from wflow.errors import InvalidInput, StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    On = Callable[[Callable[[SmallControl, Any], Awaitable[None]]], None]


@pytest.fixture
def on_d1(tmp_path: Path) -> On:
    """Run a story that is given the control and a database."""

    def run(story: Callable[[SmallControl, Any], Awaitable[None]]) -> None:
        async def told(control: SmallControl) -> None:
            control._databases = Databases(tmp_path / "d1", control.now)
            try:
                await story(control, link(d1, control, "app"))
            finally:
                await control.databases.close()

        with_control(tmp_path, told)

    return run


async def refused(coroutine: Awaitable[object]) -> str:
    with pytest.raises(D1Error) as raised:
        await coroutine
    return raised.value.message


def test_a_prepared_statement_is_bound_anew_as_often_as_one_likes(on_d1):
    async def story(_control, db):
        await db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        insert = db.prepare("INSERT INTO t (a) VALUES (?)")
        await db.batch([insert.bind(value) for value in ("x", None, b"\0\xff", 1.5, True, [1, 2])])
        rows = await db.prepare("SELECT a FROM t ORDER BY id").raw()
        assert rows == [["x"], [None], [b"\0\xff"], [1.5], [1], [b"\1\2"]]
        assert insert.params == []

    on_d1(story)


def test_rows_answer_to_items_and_attributes_and_are_json(on_d1):
    async def story(_control, db):
        result = await db.prepare("SELECT 1 AS one, 'x' AS first_name, 2 AS camelCase").all()
        [row] = result.results
        assert (row.one, row["first_name"], row.first_name, row.camelCase) == (1, "x", "x", 2)
        assert json.loads(json.dumps(result))["results"] == [{"one": 1, "first_name": "x", "camelCase": 2}]
        assert result.results.to_py() == [row.to_py()]
        assert (result.success, result.meta.rows_read, result.meta["served_by"]) == (True, 1, "wflow.db")
        assert await db.prepare("SELECT 1 AS a, 2 AS a").raw({"columnNames": True}) == [["a", "a"], [1, 2]]
        assert await db.prepare("SELECT 1 AS a").raw(columnNames=True) == [["a"], [1]]
        assert await db.prepare("SELECT 1 AS a").raw(column_names=True) == [["a"], [1]]

    on_d1(story)


def test_a_large_answer_comes_whole(on_d1):
    async def story(_control, db):
        await db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        insert = "INSERT INTO t (a) SELECT hex(zeroblob(400)) FROM json_each(?)"
        await db.prepare(insert).bind(json.dumps(list(range(1_500)))).run()
        rows = (await db.prepare("SELECT * FROM t ORDER BY id").all()).results
        assert [row.id for row in rows] == list(range(1, 1_501))
        assert {len(row.a) for row in rows} == {800}
        assert (await db.dump()).startswith(b"SQLite format 3")

    on_d1(story)


def test_what_cannot_be_bound_is_refused_before_anything_is_sent(on_d1):
    async def story(_control, db):
        for value in ({}, object(), 2**63, [256], {1}, 1j):
            with pytest.raises(D1Error, match="D1_TYPE_ERROR: Type '"):
                db.prepare("SELECT ?").bind(value)
        with pytest.raises(D1Error, match="D1_TYPE_ERROR"):
            db.prepare(7)
        assert await refused(db.batch(["SELECT 1"])) == "D1_TYPE_ERROR: a batch takes what `prepare` gives"
        assert await refused(db.batch([])) == "D1_ERROR: No SQL statements detected."
        assert "a batch takes 1,000" in await refused(db.batch([db.prepare("SELECT 1")] * 1_001))
        assert await refused(db.exec(" ;-- nothing")) == "D1_EXEC_ERROR: No SQL statements detected."

    on_d1(story)


def test_a_stub_that_is_not_ours_gets_an_error_and_no_more(on_d1):
    async def story(_control, db):
        for method, arguments in (
            ("query", [[["SELECT 1", [{}]]], None]),
            ("query", [[["SELECT 1"]], None]),
            ("query", [[[1, []]], None]),
            ("query", ["SELECT 1", None]),
            ("query", [[["SELECT 1", []]], 7]),
            ("query", [[["SELECT ?", ["x" * 3_000_000]]], None]),
            ("query", [[["SELECT 1\0", []]], None]),
            ("exec", [7]),
            ("nothing", []),
        ):
            with pytest.raises(InvalidInput):
                await db._send(method, arguments)

    on_d1(story)


def test_a_session_goes_on_from_its_bookmark(on_d1):
    async def story(_control, db):
        session = db.with_session("first-primary")
        assert session.get_bookmark() is None
        await session.prepare("CREATE TABLE t (a)").run()
        first = session.getBookmark()
        await session.batch([session.prepare("INSERT INTO t VALUES (1)")])
        assert session.get_bookmark() > first
        later = db.withSession(session.get_bookmark())
        assert later.get_bookmark() == session.get_bookmark()
        assert await later.prepare("SELECT a FROM t").first("a") == 1
        for wrong in (
            "first-of-all",
            first[:-1] + ("0" if first[-1] != "0" else "1"),
            "ffffffff" + first[8:],
        ):
            said = await refused(db.with_session(wrong).prepare("SELECT 1").run())
            assert said.startswith("D1_ERROR: Invalid bookmark")

    on_d1(story)


def test_what_is_selected_is_read_anew_and_what_follows_a_select_is_written_once(on_d1):
    async def story(control, db):
        await db.exec("CREATE TABLE t (a)")
        for attempt in (1, 2):
            control.calling = {"instance": 7, "step": "s", "key": "7-s", "epoch": 1, "attempt": attempt}
            await db.exec("SELECT 1; INSERT INTO t VALUES (1)")
            await db.prepare("/* ; */ SELECT 1;;INSERT INTO t VALUES (?)").bind(2).run()
            await db.prepare("WITH one AS (SELECT 3) INSERT INTO t SELECT * FROM one").run()
            assert await db.prepare("SELECT a FROM t ;").raw() == [[1], [2], [3]]

    on_d1(story)


def test_a_write_that_the_disk_refused_does_not_count(on_d1):
    async def story(control, db):
        await db.exec("CREATE TABLE t (a)")
        insert = db.prepare("INSERT INTO t VALUES (1)")
        control.calling = {"instance": 7, "step": "s", "key": "7-s", "epoch": 1, "attempt": 1}
        database = await control.databases.open("app")

        async def broken(*_given: object, **_more: object) -> None:
            raise StoreError("the disk said no")

        working, database.query = database.query, broken
        with pytest.raises(StoreError):
            await insert.run()
        database.query = working
        await insert.run()
        control.calling = {**control.calling, "attempt": 2}
        await insert.run()
        assert await db.prepare("SELECT count(*) AS c FROM t").first("c") == 1

    on_d1(story)


def test_attempts_of_a_step_write_once_whatever_the_order_of_their_branches(on_d1):
    async def story(control, db):
        await db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        insert = db.prepare("INSERT INTO t (a) VALUES (?) RETURNING id")

        async def attempt(number: int, *values: str) -> dict[str, list[int]]:
            control.calling = {"instance": 7, "step": "s", "key": "7-s", "epoch": 1, "attempt": number}
            given: dict[str, list[int]] = {}
            for value in values:
                given.setdefault(value, []).append(await insert.bind(value).first("id"))
            return given

        first = await attempt(1, "a", "b", "a")
        assert await attempt(2, "b", "a", "a") == first
        assert await attempt(3, "a", "b", "a", "a") == {**first, "a": [*first["a"], 4]}
        control.calling = {"instance": 7, "step": "s", "key": "7-t", "epoch": 1, "attempt": 1}
        once = db.prepare("INSERT INTO t (id, a) VALUES (1000, 'c') RETURNING id")
        await db.prepare("INSERT INTO t (id) VALUES (1000)").run()
        await refused(once.run())
        await db.prepare("DELETE FROM t WHERE id = 1000").run()
        assert await once.first("id") == 1000
        control.calling = {**control.calling, "attempt": 2}
        assert await once.first("id") == 1000, "a call that failed does not count"
        control.calling = {}
        await db.exec("DELETE FROM t WHERE id = 1000")
        control.calling = {"instance": 7, "step": "s", "key": "7-s-again", "epoch": 1, "attempt": 1}
        assert await insert.bind("a").first("id") == 5, "the step of a restarted instance is another one"
        control.calling = {}
        assert await insert.bind("a").first("id") == 6
        assert await db.prepare("SELECT count(*) AS c FROM t").first("c") == 6

    on_d1(story)


def test_calls_at_once_are_each_answered(on_d1):
    async def story(_control, db):
        await db.exec("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
        insert, read = db.prepare("INSERT INTO t (a) VALUES (?)"), db.prepare("SELECT count(*) AS c FROM t")
        await asyncio.gather(
            *(insert.bind(number).run() for number in range(50)), *(read.first("c") for _ in range(50))
        )
        assert await read.first("c") == 50

    on_d1(story)

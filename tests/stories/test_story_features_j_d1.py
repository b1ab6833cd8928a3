"""D1, used by a Worker and by commands: a test for each feature from J4 to J10, named after its id."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.featured import FEATURES, Bound, gate_of, open_gate, open_project, open_site
from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOOKMARK = re.compile(r"[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{8}-[0-9a-f]{32}")

NOTES = {"sql": "CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, who TEXT)"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bound]:
    with open_site(open_project(tmp_path_factory.mktemp("d1"), "d1")) as site:
        yield Bound(site.world, site.session, site.api)


def test_j4_statements_are_prepared_bound_and_run_in_every_way(site: Bound):
    site.call("DB/exec", {"sql": "CREATE TABLE j4 (id INTEGER PRIMARY KEY, name TEXT, age INTEGER)"})
    for name, age in (("ann", 30), ("bob", None)):
        ran = site.call("DB/run", {"sql": "INSERT INTO j4 (name, age) VALUES (?, ?)", "params": [name, age]})
        assert (ran["success"], ran["results"], ran["meta"]["changes"]) == (True, [], 1)
    sql = "SELECT name, age FROM j4 WHERE id <= ?2 AND name <> ?1 ORDER BY id"
    asked = {"sql": sql, "params": ["zoe", 9]}
    rows = [{"name": "ann", "age": 30}, {"name": "bob", "age": None}]
    assert site.call("DB/all", asked)["results"] == rows
    assert site.call("DB/first", asked) == rows[0]
    assert site.call("DB/first", {**asked, "more": ["age"]}) == 30
    assert site.call("DB/first", {"sql": "SELECT 1 WHERE 0"}) is None
    assert site.call("DB/raw", asked) == [["ann", 30], ["bob", None]]
    named = {**asked, "more": [{"columnNames": True}]}
    assert site.call("DB/raw", named) == [["name", "age"], ["ann", 30], ["bob", None]]


def test_j4_values_come_back_as_they_were_bound(site: Bound):
    row, looked = site.call("DB/types", {})
    assert row == {"n": None, "i": 1, "f": 1.5, "s": "ü\0x", "b": 1, "big": 2**53 + 1}
    assert looked == [1, 2, True, 1, 0]
    assert site.call("DB/bytes", {"bytes": [0, 255]}) == ["bytes", [0, 255]]


def test_j5_a_batch_is_one_transaction(site: Bound):
    site.call("DB/exec", {"sql": "CREATE TABLE j5 (id INTEGER PRIMARY KEY);\nINSERT INTO j5 VALUES (1);"})
    insert = {"sql": "INSERT INTO j5 VALUES (?)", "params": [2]}
    count = {"sql": "SELECT count(*) AS c FROM j5"}
    done = site.call("DB/batch", {"batch": [insert, count]})
    assert [each["results"] for each in done] == [[], [{"c": 2}]]
    refused = site.refusal("DB/batch", {"batch": [{**insert, "params": [3]}, insert]})
    assert refused["message"] == "D1_ERROR: UNIQUE constraint failed: j5.id: SQLITE_CONSTRAINT"
    assert site.call("DB/first", {**count, "more": ["c"]}) == 2


def test_j5_exec_runs_many_statements_and_names_the_line_that_failed(site: Bound):
    done = site.call("OTHER/exec", {"sql": "CREATE TABLE j5 (id);\nINSERT INTO j5\nVALUES (1);\n"})
    assert done["count"] == 2
    assert done["duration"] > 0
    refused = site.refusal("OTHER/exec", {"sql": "INSERT INTO j5 VALUES (2);\nINSERT INTO nope VALUES (1)"})
    assert refused["message"] == (
        "D1_EXEC_ERROR: Error in line 2: INSERT INTO nope VALUES (1): no such table: nope: SQLITE_ERROR"
    )
    assert site.call("OTHER/first", {"sql": "SELECT count(*) AS c FROM j5", "more": ["c"]}) == 1


def test_j6_a_session_sees_what_it_wrote_and_its_bookmarks_grow(site: Bound):
    sqls = [
        "CREATE TABLE j6 (a)",
        "INSERT INTO j6 VALUES (1)",
        "SELECT * FROM j6",
        "INSERT INTO j6 VALUES (2)",
    ]
    first, *later = site.call("DB/session", {"since": "first-primary", "sqls": sqls})
    assert first is None
    assert all(BOOKMARK.fullmatch(each) for each in later)
    assert later == sorted(later)
    assert len(set(later)) == 3, "a read moves nothing"
    went_on = site.call("DB/session", {"since": later[-1], "sqls": ["SELECT 1"]})
    assert went_on == [later[-1], later[-1]]
    other = site.refusal("OTHER/session", {"since": later[-1], "sqls": ["SELECT 1"]})
    assert other["message"].startswith("D1_ERROR: Invalid bookmark")


def test_j7_meta_counts_what_was_done(site: Bound):
    site.call("DB/exec", {"sql": "CREATE TABLE j7 (id INTEGER PRIMARY KEY, a)"})
    meta = site.call("DB/run", {"sql": "INSERT INTO j7 (a) VALUES (1), (2), (3)"})["meta"]
    assert (meta["changes"], meta["rows_written"], meta["last_row_id"], meta["changed_db"]) == (3, 3, 3, True)
    meta = site.call("DB/all", {"sql": "SELECT * FROM j7"})["meta"]
    assert (meta["changes"], meta["rows_read"], meta["rows_written"], meta["changed_db"]) == (0, 3, 0, False)
    assert meta["size_after"] >= 4096
    assert meta["duration"] >= 0
    assert meta["timings"] == {"sql_duration_ms": meta["duration"]}
    assert (meta["served_by"], meta["served_by_primary"], meta["total_attempts"]) == ("wflow.db", True, 1)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"sql": "SELECT * FROM nope"}, "D1_ERROR: no such table: nope: SQLITE_ERROR"),
        ({"sql": "SELEC 1"}, 'D1_ERROR: near "SELEC": syntax error: SQLITE_ERROR'),
        ({"sql": " -- nothing"}, "D1_ERROR: No SQL statements detected."),
        ({"sql": "SELECT ?"}, "D1_ERROR: Wrong number of parameter bindings for SQL query."),
        ({"sql": "SELECT 1", "params": [{}]}, "D1_TYPE_ERROR: Type 'dict' not supported for value '{}'"),
        ({"sql": "SELECT 1", "params": [2**63]}, "D1_TYPE_ERROR: Type 'int' not supported"),
        ({"sql": "SELECT 1", "params": [0] * 101}, "D1_ERROR: too many SQL variables"),
        (
            {"sql": "SELECT ?101", "params": [0] * 100},
            "D1_ERROR: variable number must be between ?1 and ?100",
        ),
        ({"sql": f"SELECT '{'x' * 100_000}'"}, "D1_ERROR: statement too long: SQLITE_TOOBIG"),
        ({"sql": "SELECT zeroblob(2000001)"}, "D1_ERROR: string or blob too big: SQLITE_TOOBIG"),
        ({"sql": f"SELECT {','.join(['1'] * 101)}"}, "D1_ERROR: too many columns in result set"),
        ({"sql": f"SELECT 'a' LIKE '{'%' * 51}'"}, "D1_ERROR: LIKE or GLOB pattern too complex"),
        ({"sql": "BEGIN"}, "D1_ERROR: To execute a transaction, please use the state.storage.transaction()"),
        ({"sql": "ATTACH ':memory:' AS m"}, "D1_ERROR: not authorized: SQLITE_AUTH"),
        ({"sql": "VACUUM INTO '/tmp/x'"}, "D1_ERROR: not authorized: SQLITE_AUTH"),
        ({"sql": "PRAGMA journal_mode=OFF"}, "D1_ERROR: not authorized: SQLITE_AUTH"),
        ({"sql": "SELECT * FROM _cf_EFFECTS"}, "D1_ERROR: access to _cf_EFFECTS.id is prohibited"),
    ],
)
def test_j8_what_d1_refuses_is_refused_in_its_words(site: Bound, asked: dict[str, Any], message: str):
    refused = site.refusal("DB/all", asked)
    assert refused["message"].startswith(message)
    assert refused["code"] == 7500


def test_j8_a_column_that_is_not_there_has_its_own_error(site: Bound):
    refused = site.refusal("DB/first", {"sql": "SELECT 1 AS a", "more": ["b"]})
    assert refused["message"] == "D1_COLUMN_NOTFOUND: Column not found (b)"


def test_j9_migrations_are_made_listed_and_applied_once(site: Bound):
    world = site.world
    listed = world.wflow("d1", "migrations", "list", "DB", "--local", "--json")
    assert json.loads(listed.out) == [{"name": "0001_init.sql"}], listed.err
    made = world.wflow("d1", "migrations", "create", "DB", "a broken one")
    assert made.out.strip().endswith("migrations/0002_a_broken_one.sql")
    world.write("migrations/0002_a_broken_one.sql", "CREATE TABLE half (a);\nINSERT INTO nope VALUES (1);\n")
    applied = world.wflow("d1", "migrations", "apply", "DB", "--local")
    assert applied.code == 1
    assert "Migration 0002_a_broken_one.sql failed with the following error: no such table" in applied.err
    assert re.findall(r"^(\S+)\s+(✅|❌)$", applied.out, re.MULTILINE) == [
        ("0001_init.sql", "✅"),
        ("0002_a_broken_one.sql", "❌"),
    ]
    tables = "SELECT name FROM sqlite_master WHERE name IN ('users', 'half')"
    assert site.call("DB/raw", {"sql": tables}) == [["users"]]
    world.write("migrations/0002_a_broken_one.sql", "CREATE TABLE half (a);\n")
    assert world.wflow("d1", "migrations", "apply", "app", "--local", "-y").code == 0
    rows = site.call("DB/raw", {"sql": "SELECT id, name FROM d1_migrations ORDER BY id"})
    assert rows == [[1, "0001_init.sql"], [2, "0002_a_broken_one.sql"]]
    assert "No migrations to apply!" in world.wflow("d1", "migrations", "apply", "DB", "--local").err


def test_j10_a_database_is_exported_and_read_in_again(site: Bound):
    world = site.world
    schema = (
        "CREATE TABLE j10 (id INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT, b BLOB, f REAL);\n"
        "CREATE INDEX j10t ON j10 (t);\n"
    )
    site.call("OTHER/exec", {"sql": schema})
    values = [["it's; \n'x'", 1.5], ["ü -- \0", -0.1]]
    for t, f in values:
        site.call("OTHER/run", {"sql": "INSERT INTO j10 (t, b, f) VALUES (?, x'00ff', ?)", "params": [t, f]})
    out = world.folder / "j10.sql"
    done = world.wflow("d1", "export", "OTHER", "--local", "--table", "j10", "--output", str(out))
    assert done.code == 0, done.err
    site.call("OTHER/exec", {"sql": "DROP TABLE j10"})
    done = world.wflow("d1", "execute", "OTHER", "--local", "--json", "--file", str(out))
    assert done.code == 0, done.err
    assert json.loads(done.out)[0]["results"][0]["Total queries executed"] >= 5
    rows = site.call("OTHER/raw", {"sql": "SELECT id, t, hex(b), f FROM j10 ORDER BY id"})
    assert rows == [[1, values[0][0], "00FF", 1.5], [2, values[1][0], "00FF", -0.1]]
    seen = site.call("OTHER/run", {"sql": "INSERT INTO j10 (t) VALUES ('next')"})
    assert seen["meta"]["last_row_id"] == 3, "the sequence came along"
    assert world.wflow("d1", "execute", "OTHER", "--local", "--file", str(out)).code == 1, "it is there"


def test_j10_a_database_goes_back_to_a_bookmark_and_forward_again(site: Bound):
    world = site.world
    site.call("DB/exec", {"sql": "CREATE TABLE travel (a); INSERT INTO travel VALUES ('kept');"})
    info = world.wflow("d1", "time-travel", "info", "DB", "--local", "--json")
    bookmark = json.loads(info.out)["bookmark"]
    site.call("DB/exec", {"sql": "DROP TABLE travel"})
    back = world.wflow("d1", "time-travel", "restore", "DB", "--local", "--bookmark", bookmark, "--json")
    told = json.loads(back.out)
    assert site.call("DB/raw", {"sql": "SELECT a FROM travel"}) == [["kept"]]
    assert bookmark < told["previous_bookmark"] < told["bookmark"]
    undo = told["previous_bookmark"]
    assert world.wflow("d1", "time-travel", "restore", "DB", "--local", "-y", "--bookmark", undo).code == 0
    assert site.refusal("DB/raw", {"sql": "SELECT a FROM travel"})["code"] == 7500


def test_j10_commands_make_show_and_delete_databases(site: Bound):
    world = site.world
    made = json.loads(world.wflow("d1", "create", "extra", "--local", "--json").out)
    listed = json.loads(world.wflow("d1", "list", "--local", "--json").out)
    assert made["uuid"] in [each["uuid"] for each in listed]
    assert world.wflow("d1", "create", "extra", "--local").code == 1
    shown = world.wflow("d1", "execute", "extra", "--local", "--command", "SELECT 1 AS one, NULL AS two")
    assert shown.out.split() == ["one", "two", "1", "null"]
    info = json.loads(world.wflow("d1", "info", "extra", "--local", "--json").out)
    assert (info["name"], info["num_tables"]) == ("extra", 0)
    assert world.wflow("d1", "delete", "extra", "--local", "-y").code == 0
    gone = world.wflow("d1", "info", "extra", "--local")
    assert gone.code == 1
    assert "Couldn't find a D1 DB" in gone.err


def test_j18_what_a_step_wrote_before_its_process_died_is_written_once(site: Bound):
    site.call("DB/run", NOTES)
    site.start("writer", {"gate": gate_of(site.world, "j18")}, "j18")
    wait_for(lambda: "wrote" in site.effects("j18"), "the step to write")
    site.lose_runtimes()
    wait_for(lambda: site.effects("j18").count("wrote") == 2, "the step to write again")
    open_gate(site.world, "j18")
    over = site.end("writer", "j18")
    assert (over["status"], over["output"]["count"]) == ("complete", 2)
    assert len(set(over["output"]["ids"])) == 2, "the same statement twice is two writes"


def test_j18_what_a_step_wrote_before_the_power_went_is_written_once(
    tmp_path_factory: pytest.TempPathFactory,
):
    world = open_project(tmp_path_factory.mktemp("d1-power"), "d1")
    with open_site(world) as opened:
        site = Bound(opened.world, opened.session, opened.api)
        site.call("DB/run", NOTES)
        site.start("writer", {"gate": gate_of(world, "power")}, "power")
        wait_for(lambda: "wrote" in site.effects("power"), "the step to write")
        site.session.kill()
    open_gate(world, "power")
    with open_site(world) as opened:
        over = opened.end("writer", "power")
    assert (over["status"], over["output"]["count"]) == ("complete", 2)


def test_j18_a_death_at_any_write_of_the_store_leaves_each_row_written_once(tmp_path: Path):
    folder = tmp_path / "crashes"
    shutil.copytree(FEATURES / "d1_crashes", folder, ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "crashes.py"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout

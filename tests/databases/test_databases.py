"""All databases of a runner: made, found, closed when they rest, deleted."""

from __future__ import annotations

import asyncio
import shutil
import threading

import pytest

from tests.databases.asked import Asked
from wflow.databases import Databases, limits
from wflow.databases.executing import Statement
from wflow.databases.faults import CROWDED, D1Overloaded, DatabaseExists, DatabaseNotFound
from wflow.errors import InvalidInput


async def test_databases_are_made_found_renamed_and_deleted(databases):
    made = [await databases.create(name) for name in ("b", "a")]
    assert [each.name for each in await databases.find()] == ["a", "b"]
    assert [each.name for each in await databases.find("b")] == ["b"]
    assert await databases.get("a") == await databases.get(made[1].id) == made[1]
    with pytest.raises(DatabaseExists):
        await databases.create("a")
    with pytest.raises(DatabaseExists):
        await databases.rename(made[0].id, "a")
    for name in ("", "-a", "a/b", "a" * 65, "a\n"):
        with pytest.raises(InvalidInput):
            await databases.create(name)
        with pytest.raises(InvalidInput):
            await databases.rename(made[0].id, name)
    assert (await databases.rename(made[0].id, "c")).name == "c"
    await databases.delete(made[0].id)
    with pytest.raises(DatabaseNotFound):
        await databases.get("c")


async def test_what_a_config_declares_is_made_once_under_its_id_and_a_free_name(databases):
    await databases.create("app")
    about = await databases.ensure("shop/../db", "app")
    assert about.name != "app"
    assert await databases.ensure("shop/../db", "other") == about
    await Asked(await databases.open("shop/../db")).run("CREATE TABLE t (a)")
    assert all(path.parent == databases.folder for path in databases.folder.iterdir())
    assert len([path for path in databases.folder.iterdir() if path.is_dir()]) == 1


async def test_a_database_that_is_deleted_in_the_middle_of_a_call_is_gone_and_can_be_made_anew(databases):
    about = await databases.create("app")
    asked = Asked(await databases.open(about.id))
    await asked.run("CREATE TABLE t (a)")
    go = threading.Event()
    slow = asyncio.create_task(asked.database.write(lambda _: go.wait(30), 30))
    await asyncio.sleep(0)
    deleting = asyncio.create_task(databases.delete(about.id))
    other = Asked(await databases.open((await databases.create("other")).id))
    await other.run("CREATE TABLE t (a)")
    assert not deleting.done(), "it waits, and nobody else does"
    go.set()
    await asyncio.gather(slow, deleting)
    assert not asked.database.folder.exists()
    with pytest.raises(D1Overloaded):
        await asked.run("SELECT 1")
    again = Asked(await databases.open(about.id))
    assert await again.rows("SELECT name FROM sqlite_master WHERE name = 't'") == []


async def test_only_so_many_are_open_and_what_rests_longest_is_closed(databases):
    first = Asked(await databases.open("db-0"))
    await first.run("CREATE TABLE t (a)")
    for number in range(1, limits.OPEN + 1):
        await databases.open(f"db-{number}")
    assert "db-0" not in databases._open
    held = [databases._open[f"db-{number}"] for number in range(1, limits.OPEN + 1)]
    for each in held:
        each.holds += 1
    with pytest.raises(D1Overloaded) as crowded:
        await databases.open("db-0")
    assert crowded.value.message == CROWDED
    for each in held:
        each.holds -= 1
    assert await Asked(await databases.open("db-0")).rows("SELECT * FROM t") == []


async def test_what_a_crash_left_of_a_database_that_was_deleted_is_gone_with_the_next_start(tmp_path, clock):
    before = Databases(tmp_path / "kept", clock)
    await (await before.open("app")).query([Statement("CREATE TABLE old (a)")])
    await before.close()
    shutil.copytree(tmp_path / "kept" / "app", tmp_path / "files")
    before = Databases(tmp_path / "kept", clock)
    await before._ask(lambda catalogue: catalogue.remove("app"))  # and the runner dies
    await before.close()
    after = Databases(tmp_path / "kept", clock)
    await (await after.open("app")).query([Statement("CREATE TABLE old (a)")])
    await after.delete("app")
    assert not (tmp_path / "kept" / "app").exists()
    await after.close()
    shutil.copytree(tmp_path / "files", tmp_path / "kept" / "app")
    again = Databases(tmp_path / "kept", clock)
    found = await (await again.open("app")).query([Statement("SELECT count(*) FROM old")])
    assert list(found.answers[0].rows()) == [[0]], "what was deleted to its end is not deleted again"
    await again.close()

"""`kill -9` in the middle of batches, imports and restores: what was said is done, nothing else half."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.processes import PATIENCE_S
from wflow.databases import Databases
from wflow.databases.executing import Statement
from wflow.databases.history import History

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import asyncio, itertools, sys
from hashlib import md5
from pathlib import Path
from wflow.databases import Databases
from wflow.databases.executing import Statement

async def pieces(text):
    yield text

async def main():
    databases = Databases(Path(sys.argv[1]), lambda: 1_795_348_800_000)
    database = await databases.open("app")
    await database.query([Statement("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a)")])
    transfers = await databases.transfers("app")
    begun = await database.bookmark()
    for n in itertools.count():
        match sys.argv[2]:
            case "batch":
                twice = [Statement("INSERT INTO t (a) VALUES (hex(randomblob(2000)))")] * 2
                await database.query(twice)
            case "import":
                text = f"-- {n}\\n" + "INSERT INTO t (a) VALUES ('x');" * 200
                name = transfers.filename(md5(text.encode()).hexdigest())
                await transfers.upload(name, pieces(text.encode()))
                await (await transfers.ingest(name)).task
            case "restore":
                await database.query([Statement("INSERT INTO t (a) VALUES (1)")] * 10)
                await database.restore(begun)
        print(await database.bookmark(), flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("what", "lines", "step"), [("batch", 400, 2), ("import", 15, 200), ("restore", 20, 10)]
)
def test_what_was_acknowledged_is_there_and_what_was_not_is_whole_or_absent(
    tmp_path: Path, what: str, lines: int, step: int
):
    acknowledged = killed(tmp_path / "d1", what, lines)
    count, last, kept = asyncio.run(looked(tmp_path / "d1"))
    assert last >= acknowledged
    assert count % step == 0
    if what == "restore":
        assert count in {0, 10}
    else:
        assert count >= lines * step
    assert kept == count


def killed(folder: Path, what: str, lines: int) -> str:
    """Run the script until it has said so many lines, kill it, and give the last one."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), what], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            said = [process.stdout.readline() for _ in range(lines)]
        finally:
            process.kill()
        process.wait(PATIENCE_S)
        said += process.stdout.readlines()
    return next(line.strip() for line in reversed(said) if line.endswith("\n"))


async def looked(folder: Path) -> tuple[int, str, int]:
    """Give the rows there are, the bookmark, and the rows that time travel to it would bring."""
    databases = Databases(folder, lambda: 1_795_348_800_000)
    database = await databases.open("app")
    count = await counted(database)
    last = await database.bookmark()
    await database.restore(last)
    again = await counted(database)
    assert History(folder / "app" / "history").kept > 1
    await databases.close()
    return count, last, again


async def counted(database: Any) -> int:
    outcome = await database.query([Statement("SELECT count(*) FROM t")])
    [[count]] = outcome.answers[0].rows()
    return int(count)

"""The work of some of our benchmarks on DBOS, for a Python that has `dbos` and nothing of ours.

    python dbos_work.py '{"steps": [1000, 10], "alone": [10, 20], "create": 2000, "parallel": 1000}'

Prints JSON: samples by what was measured. The setup is the quickest that its documentation offers for one
process and SQLite: async workflows and steps, whose handles are awaited without polling; the pool of
connections as it is; the database in WAL mode, which it is not by default and which helps it, with the
synchronous=FULL that it has, so that what is committed is fsynced as with us. Nothing goes over HTTP here.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sqlite3
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import sqlalchemy  # type: ignore[import-not-found]
from dbos import DBOS, DBOSClient  # type: ignore[import-not-found]

CONNECTIONS = 32
BATCH = 100
QUEUE = "nobody-listens"


@DBOS.step()
async def nothing() -> None:
    """Be a step that costs what a step costs."""


@DBOS.workflow()
async def steps(count: int) -> None:
    """So many steps, one after the other."""
    for _ in range(count):
        await nothing()


@DBOS.workflow()
async def parallel(count: int) -> None:
    """So many steps at once."""
    await asyncio.gather(*(nothing() for _ in range(count)))


async def timed(workflow: Any, count: int, argument: int) -> float:
    """Run ``count`` instances of a workflow at once, from the first start to the last end."""
    began = time.perf_counter()

    async def one() -> None:
        await (await DBOS.start_workflow_async(workflow, argument)).get_result()

    await asyncio.gather(*(one() for _ in range(count)))
    return time.perf_counter() - began


async def run(asked: dict[str, Any]) -> dict[str, list[float]]:
    """Do what is asked for."""
    told: dict[str, list[float]] = {}
    await timed(steps, 3, 3)  # the first ones of a process are slow
    if "steps" in asked:
        instances, count = asked["steps"]
        told["steps"] = [instances * count / await timed(steps, instances, count)]
    if "alone" in asked:
        count, times = asked["alone"]
        told["alone"] = [await timed(steps, 1, count) * 1e3 for _ in range(times)]
    if "parallel" in asked:
        told["parallel"] = [await timed(parallel, 1, asked["parallel"])]
    return told


def create(count: int, url: str) -> dict[str, list[float]]:
    """Enqueue for a queue that nobody listens to: one each from threads, and a hundred to a transaction."""
    client = DBOSClient(system_database_url=url)
    options = {"workflow_name": "steps", "queue_name": QUEUE}
    began = time.perf_counter()
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        for done in [threads.submit(client.enqueue, options, 1) for _ in range(count)]:
            done.result()
    one_each = count / (time.perf_counter() - began)

    engine = sqlalchemy.create_engine(url)
    began = time.perf_counter()
    for _ in range(count // BATCH):
        with engine.begin() as transaction:
            for _ in range(BATCH):
                client.enqueue_in_transaction(transaction, options, 1)
    in_batches = count // BATCH * BATCH / (time.perf_counter() - began)
    client.destroy()
    return {"one each": [one_each], "in batches": [in_batches]}


def main() -> None:
    """Bring DBOS up over a new database, and do the work."""
    asked = json.loads(sys.argv[1])
    with tempfile.TemporaryDirectory(prefix="wflow-bench-", ignore_cleanup_errors=True) as folder:
        database = Path(folder) / "dbos.sqlite"
        mode = sqlite3.connect(database).execute("PRAGMA journal_mode = WAL").fetchone()
        assert mode == ("wal",)
        url = f"sqlite:///{database}"
        DBOS(config={"name": "bench", "system_database_url": url, "log_level": "ERROR"})
        logging.getLogger("dbos").setLevel(logging.ERROR)
        DBOS.launch()
        told = asyncio.run(run(asked))
        if "create" in asked:
            told |= create(asked["create"], url)
        sys.stdout.write(f"{json.dumps(told)}\n")
        DBOS.destroy()


if __name__ == "__main__":
    main()

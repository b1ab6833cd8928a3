"""From saving a file to the new code answering, in a project made from the template, under `wflow dev`.

Requests come all the while, each on a connection of its own, one every few milliseconds; the first answer of
the new code ends the wait. None may be refused, and none may fail.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import uvloop

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import meter
from tests.bench.measured import Row, Scale
from tests.bench.session import dev, laid_out, world
from tests.bench.suite import alone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.session import Session

TEMPLATE: Final = Path(__file__).parents[2] / "templates" / "workflows"
WORKER: Final = "src/worker.py"
MARK: Final = "POST /          start"
GOAL_MS: Final = 150.0
PATIENCE_S: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many saves, how many requests in all, and how long it is quiet before each save."""

    saves: int
    requests: int
    quiet_s: float


SIZES: Final = {
    Scale.FULL: Size(saves=20, requests=1_000, quiet_s=1.0),
    Scale.QUICK: Size(saves=5, requests=250, quiet_s=0.7),
    Scale.TINY: Size(saves=1, requests=5, quiet_s=0.0),
}


@dataclass(slots=True)
class Visits:
    """What became of the requests: how many ended how, and the longest one of them."""

    ends: Counter[str] = field(default_factory=Counter)
    longest_s: float = 0.0
    seen: list[float] = field(default_factory=list)
    """When the new code answered."""


def rows(size: Size) -> Iterator[Row]:
    """Save again and again; each save gives the file another text to answer with."""
    with world() as here:
        project = laid_out(here, TEMPLATE)
        with dev(here, project) as session, asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
            file = project / WORKER
            took_ms, visits = loop.run(_saves(session, (file, file.read_text()), size))
            reloads = session.process.err.count("Reloading")
    failed = sum(visits.ends.values()) - visits.ends["200"]
    yield Row(
        bench="save",
        work="save to new code answering",
        unit="ms",
        samples=took_ms,
        goal=GOAL_MS,
        beside={"reloads": reloads},
    )
    yield Row(
        bench="save",
        work=f"of {sum(visits.ends.values()):,} requests meanwhile refused or failed",
        unit="",
        samples=[float(failed)],
        goal=0,
        beside={"the longest ms": visits.longest_s * 1e3},
    )


async def _saves(session: Session, worker: tuple[Path, str], size: Size) -> tuple[list[float], Visits]:
    visits = Visits()
    took_ms = []
    file, original = worker
    assert MARK in original
    for number in range(size.saves):
        while len(meter.runtimes(session.process.pid)) < 2:  # noqa: ASYNC110 - the spare one is not up yet
            await asyncio.sleep(0.02)
        await asyncio.sleep(size.quiet_s)
        word = f"save-{number}"
        took_ms.append(await _save(session, (file, original.replace(MARK, f"{word} {MARK}")), visits, size))
    return took_ms, visits


async def _save(session: Session, saved: tuple[Path, str], visits: Visits, size: Size) -> float:
    """Save, and send this save's share of the requests, spread over the time that may pass."""
    file, text = saved
    word = text[text.index("save-") :].split()[0].encode()
    share = size.requests // size.saves
    every_s = max(GOAL_MS / 1000 / share, 0.002)
    visits.seen.clear()
    draft = file.with_name(f"{file.name}~")
    draft.write_text(text)
    began = time.perf_counter()
    draft.replace(file)
    tasks: list[asyncio.Task[None]] = []
    while len(tasks) < share or not visits.seen:
        assert time.perf_counter() - began < PATIENCE_S, session.process.err
        tasks.append(asyncio.create_task(_visit(session.port, word, visits)))
        await asyncio.sleep(every_s)
    await asyncio.gather(*tasks)
    return (visits.seen[0] - began) * 1e3


async def _visit(port: int, word: bytes, visits: Visits) -> None:
    began = time.perf_counter()
    try:
        async with asyncio.timeout(PATIENCE_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = await reader.read(-1)
            writer.close()
    except (OSError, TimeoutError) as failed:
        visits.ends[type(failed).__name__] += 1
        return
    visits.ends[answer[9:12].decode() or "cut"] += 1
    visits.longest_s = max(visits.longest_s, time.perf_counter() - began)
    if word in answer:
        visits.seen.append(time.perf_counter())


if __name__ == "__main__":
    alone(SIZES, rows)

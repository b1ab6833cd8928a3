"""A storm over what steps do to others: they count in KV and begin workflows, and everything is killed."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from tests.stories.processes import World, lives, wait_for
from tests.storms.mishaps import count, create, house
from tests.storms.races import names
from tests.storms.shelter import STILL_S
from wflow.engine import values
from wflow.errors import WflowError

if TYPE_CHECKING:
    from tests.stories.processes import Process
    from tests.storms.races import Verdicts

LEDGER = Path(__file__).parent / "ledger"
LIVES = 2
"""With two deaths each: a step that is cut off by five is not tried again."""
LINES = 6
"""What the witness hears of a run at the least."""
COUNTS = {"plain": "2", "flaky": "1", "asks": "1", "end": "there"}
"""What is in KV of a run in the end, by what comes after its id."""
ENTRIES = {"plain": 2, "flaky": 1, "asks": 1}
"""How many workflows it has begun."""


def effects_storm(folder: Path, runs: int) -> Verdicts:
    """Kill the runtime, then the runner, in the middle of it all, and again; then let it come to an end."""
    ids, world = names(runs), house(folder, LEDGER)
    for life in range(LIVES):
        with world.dev() as session:
            if life == 0:
                create(session, ids, "ledger", {})
            for share in (2 * life + 1, 2 * life + 2):
                lines = runs * LINES * share // (2 * LIVES + 1)
                wait_for(lambda: count(world.witness) >= lines, f"{lines} lines", seconds=600)  # noqa: B023
                if share % 2:
                    for pid in session.runtimes():
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
            orphans = session.kill()
            wait_for(lambda: not any(map(lives, orphans)), "the end of the orphans")  # noqa: B023
    with world.dev() as session:
        over(world, session, runs)
        session.end()
    return judge(world, ids)


def judge(world: World, ids: list[str]) -> Verdicts:
    """Tell what is wrong with what the steps of each instance have left."""
    with sqlite3.connect(world.state / "wflow.sqlite") as db:
        kept = {key: bytes(value).decode() for key, value in db.execute(CELLS)}
        ended = dict(db.execute("SELECT id, status FROM instances WHERE workflow = 'ledger'"))
        begun = list(db.execute("SELECT params, status FROM instances WHERE workflow = 'entry'"))
    entries = Counter(str(values.decode(params)) for params, _ in begun)
    undone = {str(values.decode(params)) for params, status in begun if status != "complete"}
    return {
        id_: faults(
            {key.partition(":")[2]: value for key, value in kept.items() if key.startswith(f"{id_}:")},
            {kind: entries[f"{id_}:{kind}"] for kind in (*ENTRIES, "vain")},
            ended.get(id_),
        )
        + [f"{name} was begun and not ended" for name in sorted(undone) if name.startswith(f"{id_}:")]
        for id_ in ids
    }


CELLS = "SELECT key, value FROM cells WHERE space = 'kv:book'"


def faults(kept: dict[str, str], entries: dict[str, int], status: str | None) -> list[str]:
    """Tell what is wrong with one instance."""
    wrong = [] if status == "complete" else [f"it is {status}"]
    wrong += [
        f"{kind} was counted as {kept.get(kind)}, not {COUNTS.get(kind)}"
        for kind in sorted(COUNTS.keys() | kept)
        if kept.get(kind) != COUNTS.get(kind)
    ]
    wrong += [
        f"{kind} has begun {number} workflows, not {ENTRIES.get(kind, 0)}"
        for kind, number in entries.items()
        if number != ENTRIES.get(kind, 0)
    ]
    return wrong


def over(world: World, session: Process, runs: int) -> None:
    """Wait until all have ended, or nothing has happened for a while."""
    wanted = {"ledger": runs, "entry": runs * sum(ENTRIES.values())}
    with session.api() as api:
        before: tuple[object, ...] = ()
        since = time.monotonic()
        while time.monotonic() - since < STILL_S:
            with contextlib.suppress(WflowError):
                done = {
                    name: api.instances.list(name, status="complete", per_page=1).info["total_count"]
                    for name in wanted
                }
                if done == wanted:
                    return
                now = (*done.values(), count(world.witness))
                if now != before:
                    before, since = now, time.monotonic()
            time.sleep(0.02)

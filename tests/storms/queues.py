"""A storm over queues: steps send, a consumer begins workflows, and runtimes and runners are killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import time
from collections import Counter, defaultdict
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.stories.processes import World, lives, wait_for
from tests.storms.mishaps import count, create, house
from tests.storms.races import names
from tests.storms.shelter import STILL_S
from wflow.bindings.queue_records import id_of
from wflow.errors import WflowError

if TYPE_CHECKING:
    from tests.stories.processes import Process
    from tests.storms.races import Verdicts

POST = Path(__file__).parent / "post"
LIVES = 3
RETRIES = 8
KINDS = ("plain", "order", "poison", "flaky")
LINES = len(KINDS) + RETRIES
"""What the witness hears of a run at the least."""
JOBS, DEAD = id_of("jobs"), id_of("dead")


class Left(NamedTuple):
    """What is on disk after a death: how much the witness had heard by then, and the queue's messages."""

    heard: int
    jobs: frozenset[str]


def queue_storm(folder: Path, runs: int) -> Verdicts:
    """Kill the runtime, then the runner, in the middle of it all, and again; then let it come to an end."""
    ids, world, left = names(runs), house(folder, POST), []
    for life in range(LIVES):
        with world.dev() as session:
            if life == 0:
                create(session, ids, "sender", {})
            for share in (2 * life + 1, 2 * life + 2):
                lines = runs * LINES * share // (2 * LIVES + 1)
                wait_for(lambda: count(world.witness) >= lines, f"{lines} lines", seconds=600)  # noqa: B023
                if share % 2:
                    for pid in session.runtimes():
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(pid, signal.SIGKILL)
            orphans = session.kill()
            wait_for(lambda: not any(map(lives, orphans)), "the end of the orphans")  # noqa: B023
        left.append(Left(count(world.witness), frozenset(messages(world, JOBS))))
    with world.dev() as session:
        over(world, session, runs)
        session.end()
    return judge(world, ids, left)


def judge(world: World, ids: list[str], left: list[Left]) -> Verdicts:
    """Tell what is wrong with what each instance has sent."""
    verdicts: Verdicts = {id_: [] for id_ in ids}
    got: dict[tuple[str, str], list[tuple[int, str, int]]] = defaultdict(list)
    for place, line in enumerate(world.witness.read_text().splitlines()):
        match line.split():
            case ["got", run, kind, message, attempts]:
                got[run, kind].append((place, message, int(attempts)))
    dead = Counter((body["run"], body["kind"]) for body in messages(world, DEAD).values())
    waiting = {body["run"] for body in messages(world, JOBS).values()}
    with sqlite3.connect(world.state / "wflow.sqlite") as db:
        ended = dict(db.execute("SELECT workflow || id, status FROM instances"))
    for id_, wrong in verdicts.items():
        for kind in KINDS:
            wrong.extend(faults(kind, got[id_, kind], left))
            if dead[id_, kind] != (kind == "poison"):
                wrong.append(f"{kind} is {dead[id_, kind]} times among the dead letters")
        if id_ in waiting:
            wrong.append("something still waits")
        for workflow in ("sender", "order"):
            if ended.get(workflow + id_) != "complete":
                wrong.append(f"{workflow} is {ended.get(workflow + id_)}")
    return verdicts


def faults(kind: str, got: list[tuple[int, str, int]], left: list[Left]) -> list[str]:
    """Tell what is wrong with one message: how often it was sent, and delivered."""
    if not got:
        return [f"{kind} was never delivered"]
    wrong = []
    if len({message for _, message, _ in got}) != 1:
        wrong.append(f"{kind} was sent more than once")
    attempts = [attempt for _, _, attempt in got]
    if any(after <= before for before, after in pairwise(attempts)):
        wrong.append(f"{kind} was delivered as attempts {attempts}")
    if kind == "poison" and attempts[-1] <= RETRIES - 2 * LIVES:
        wrong.append(f"{kind} was given up after {attempts}")
    for death in left:
        before = {message for place, message, _ in got if place < death.heard}
        after = {message for place, message, _ in got if place >= death.heard}
        if (before & after) - death.jobs:
            wrong.append(f"{kind} came again though it was acknowledged")
    return wrong


def messages(world: World, queue: str) -> dict[str, dict[str, str]]:
    """Read the messages of a queue that nobody has open: by their ids, what they say."""
    with sqlite3.connect(world.state / "wflow.sqlite") as db:
        rows = db.execute("SELECT id, body FROM messages WHERE queue = ?", (queue,))
        return {id_: json.loads(body) for id_, body in rows}


def over(world: World, session: Process, runs: int) -> None:
    """Wait until all have ended and the queue is empty, or nothing has happened for a while."""
    with session.api() as api:
        before, since = [-1], time.monotonic()
        while time.monotonic() - since < STILL_S:
            with contextlib.suppress(WflowError):
                done = [
                    int(api.instances.list(name, status="complete", per_page=1).info["total_count"])
                    for name in ("sender", "order")
                ]
                waiting = int(api.queues.metrics("jobs")["backlog_count"])
                if done == [runs, runs] and not waiting:
                    return
                now = [*done, waiting, count(world.witness)]
                if now != before:
                    before, since = now, time.monotonic()
            time.sleep(0.02)

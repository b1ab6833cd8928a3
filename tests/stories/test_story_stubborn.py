"""A step that fails at once, again and again: whoever pauses, cancels or terminates its instance wins."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from tests.stories.processes import World

PATIENT = 'retries = {"limit": 5, "delay": 20, "backoff": "constant"}'
STUBBORN = 'retries = {"limit": 10_000, "delay": 0, "backoff": "constant"}'
SOON_S = 5.0
A_WHILE_S = 0.2


def test_pause_cancel_and_terminate_win_against_a_busy_retry_loop(world: World):
    world.edit("src/worker.py", PATIENT, STUBBORN)
    with world.dev() as session, session.api() as api:
        ends = {"pause": "paused", "cancel": "terminated", "terminate": "terminated"}
        for verb in ends:
            api.instances.create("clumsy", {"falls": 10**9}, id_=verb)
        for verb in ends:
            wait_for(lambda: tries(world, verb) >= 5, "a few attempts")  # noqa: B023
        for verb, status in ends.items():
            api.instances.steer("clumsy", verb, verb)
            wait_for(lambda: seen(api, verb) == status, f"{verb} to win", seconds=SOON_S)  # noqa: B023
        counts = [tries(world, verb) for verb in ends]
        time.sleep(A_WHILE_S)
        assert [tries(world, verb) for verb in ends] == counts, "nothing is tried any more"
        api.instances.steer("clumsy", "pause", "resume")
        wait_for(lambda: tries(world, "pause") > counts[0], "it goes on when it is resumed")


def tries(world: World, id_: str) -> int:
    return world.effects.count(f"{id_} clumsy")


def seen(api: Any, id_: str) -> str:
    return str(api.instances.get("clumsy", id_, simple=True)["status"])

"""The storms by name, and what each does; on how many processes, if on several."""

from __future__ import annotations

import asyncio
import inspect
from functools import partial
from typing import TYPE_CHECKING

from tests.storms import deaths, effects, mishaps, queues, races

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.storms.races import Verdicts

STORMS: dict[str, Callable[..., object]] = {
    "step-storm": races.step_storm,
    "event-storm": races.event_storm,
    "event-sleep": races.event_sleep,
    "wake-loop": races.wake_loop,
    "all-against-sleep": races.all_against_sleep,
    "two-turns-at-once": deaths.two_turns_at_once,
    "death-at-every-write": deaths.death_at_every_write,
    "death-of-a-runtime": deaths.death_of_a_runtime,
    "death-of-the-runner": mishaps.death_of_the_runner,
    "full-disk": mishaps.full_disk,
    "slow-store": mishaps.slow_store,
    "queue-storm": queues.queue_storm,
    "effects-storm": effects.effects_storm,
    "step-storm-on-3": partial(races.step_storm, processes=3),
    "event-sleep-on-2": partial(races.event_sleep, processes=2),
    "two-turns-at-once-on-2": partial(deaths.two_turns_at_once, processes=2),
    "death-of-one-of-3": partial(deaths.death_of_a_runtime, processes=3),
    "death-of-the-runner-on-2": partial(mishaps.death_of_the_runner, processes=2),
}


def weather(name: str, folder: Path, runs: int) -> Verdicts:
    """Let a storm rage over so many instances; gives what is wrong with each."""
    raged = STORMS[name](folder, runs)
    if inspect.iscoroutine(raged):
        raged = asyncio.run(raged)
    assert isinstance(raged, dict)
    return raged

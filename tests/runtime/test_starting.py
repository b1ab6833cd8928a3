"""Instances that were handed over begin a few at a time."""

from __future__ import annotations

import asyncio
import functools

from wflow.link import frames
from wflow.runtime.starting import ANYWAY, BRISK, Starting


class Said:
    """An outbox, as far as it tells how many wait for it."""

    speakers = 0


class Hall:
    """What begins, in order; each that does speaks at once."""

    def __init__(self):
        self.said = Said()
        self.turns: dict[int, frames.Turn] = {}
        self.begun = []
        self.starting = Starting(self.turns, self.said, self._start)

    def _start(self, spec):
        self.turns[spec.instance] = spec
        self.begun.append((spec.workflow, spec.instance))
        self.said.speakers += 1

    def add(self, *instances, workflow="orders"):
        for instance in instances:
            self.starting.add(frames.Turn(instance, 1, workflow, f"id-{instance}", 0, b"\xc0", 0, [], []))

    async def look(self):
        self.starting.look()
        await asyncio.sleep(0)
        await asyncio.sleep(0)


def in_loop(test):
    @functools.wraps(test)
    def wrapped():
        async def perform():
            await test(Hall())

        asyncio.run(perform())

    del wrapped.__wrapped__
    return wrapped


@in_loop
async def test_the_first_begin_at_once(hall):
    hall.add(*range(BRISK))
    assert len(hall.begun) == BRISK


@in_loop
async def test_the_others_wait_for_those_that_have_something_to_say(hall):
    hall.add(*range(3 * BRISK))
    await asyncio.sleep(0)
    assert len(hall.begun) == BRISK + ANYWAY
    hall.said.speakers -= 40
    await hall.look()
    assert len(hall.begun) == BRISK + ANYWAY + 40 - ANYWAY
    assert hall.begun == [("orders", n) for n in range(len(hall.begun))]


@in_loop
async def test_some_begin_at_each_look_however_busy_those_before_them_are(hall):
    hall.add(*range(2 * BRISK))
    await asyncio.sleep(0)
    for _ in range(10):
        await hall.look()
    assert len(hall.begun) == BRISK + 11 * ANYWAY


@in_loop
async def test_nobody_waits_for_those_that_have_nothing_on_its_way(hall):
    hall.add(*range(BRISK))
    hall.said.speakers = 0
    hall.add(*range(BRISK, 2 * BRISK))
    await asyncio.sleep(0)
    assert len(hall.begun) == 2 * BRISK


@in_loop
async def test_whoever_waits_begins_without_anything_more_if_those_before_say_nothing(hall):
    real = hall.starting._start

    def start(spec):
        real(spec)
        hall.said.speakers = 0

    hall.starting._start = start
    hall.add(*range(5 * BRISK))
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(hall.begun) == 5 * BRISK


@in_loop
async def test_workflows_take_turns(hall):
    hall.add(*range(BRISK))
    hall.add(*range(BRISK, 3 * BRISK))
    hall.add(9_001, 9_002, workflow="mails")
    await asyncio.sleep(0)
    assert hall.begun[BRISK:] == [
        ("orders", BRISK),
        ("mails", 9_001),
        ("orders", BRISK + 1),
        ("mails", 9_002),
    ]


@in_loop
async def test_one_that_waits_can_be_taken_out(hall):
    hall.add(*range(BRISK + 20))
    hall.add(9_001, workflow="mails")
    taken = hall.starting.take([BRISK + 1, 9_001, 5, 777])
    assert [spec.instance for spec in taken] == [BRISK + 1, 9_001]
    assert [spec.instance for spec in hall.starting.take_all()] == [
        BRISK,
        *range(BRISK + 2, BRISK + 20),
    ]
    await hall.look()
    assert len(hall.begun) == BRISK


@in_loop
async def test_a_second_claim_of_one_that_waits_takes_the_place_of_the_first(hall):
    hall.add(*range(BRISK + 2))
    newer = frames.Turn(BRISK + 1, 2, "orders", "id", 0, b"\xc0", 0, [], [])
    hall.starting.add(newer)
    assert [spec.epoch for spec in hall.starting.take_all()] == [1, 2]

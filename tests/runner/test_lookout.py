from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.runner.shipped import edit
from tests.runner.stage import Stage, meanwhile, stage, until
from wflow.engine import values
from wflow.runner import lookout, rehearsals
from wflow.runner.lookout import Lookout
from wflow.runner.project import VERSION
from wflow.runner.terminal import Terminal

if TYPE_CHECKING:
    from wflow.runner.registry import Build

RENAMED = ('ctx.do("before"', 'ctx.do("preparation"')


class Paper(Terminal):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__("info")
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


async def asleep(on: Stage, *ids: str) -> None:
    for id_ in ids:
        await on.create("patient", id_)
        await on.reaches("patient", id_, "waiting")


async def swap(on: Stage) -> Build:
    """Have the code as it lies run, as a reload does."""
    build = on.build()
    peer = await on.runner.fleet.spare(on.project)
    await peer.load(build)
    on.runner.registry.activate(build)
    on.runner.fleet.replace(VERSION, peer)
    return build


async def told(on: Stage, build: Build) -> list[str]:
    """Give what is said of the unfinished instances."""
    paper = Paper()
    looking = Lookout(on.runner, paper)
    looking.look(build)
    task = looking._looking
    assert task is not None
    await task
    await looking.close()
    return paper.said


def test_nothing_is_said_where_nothing_is_unfinished(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            assert await told(on, await swap(on)) == []

    asyncio.run(story())


def test_what_began_with_this_code_is_not_played_on_it_again(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await asleep(on, "before")
            build, paper = await swap(on), Paper()
            looking = Lookout(on.runner, paper)
            looking.look(build)
            await asleep(on, "after")
            task = looking._looking
            assert task is not None
            await task
            await looking.close()
            assert paper.said == ["[wflow:info] 1 unfinished instance fits the code"]

    asyncio.run(story())


def test_a_difference_that_several_have_is_shown_once(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await asleep(on, "a", "b", "c")
            assert await told(on, await swap(on)) == ["[wflow:info] 3 unfinished instances fit the code"]
            edit(on, *RENAMED)
            first, which, *more = await told(on, await swap(on))
            assert "3 of 3 unfinished instances do not fit the code" in first
            assert which.startswith("    patient c and 2 more: ")
            assert [line.split(":")[0].strip() for line in more] == ["journal", "code", "guess"]
            assert await on.status("patient", "a") == "waiting"

    asyncio.run(story())


def test_many_differences_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(lookout, "SHOWN", 2)
    monkeypatch.setattr(lookout, "SAMPLE", 3)

    async def story() -> None:
        async with stage(tmp_path) as on:
            await asleep(on, "a", "b", "c", "d")
            edit(on, 'ctx.do("before"', 'ctx.do("before-" + event.instance_id')
            first, *more = await told(on, await swap(on))
            assert "3 of the newest 3 of 4 unfinished instances do not fit the code" in first
            assert next(line for line in more if "patient" in line).startswith("    patient d: ")
            assert more[-1] == "    and 1 more difference"

    asyncio.run(story())


def test_what_a_difference_had_paused_goes_on_when_it_fits_again_and_nothing_else_does(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await asleep(on, "a", "b")
            await on.runner.steer("patient", "b", "pause")
            edit(on, *RENAMED)
            await swap(on)
            await on.runner.send_event("patient", "a", "go", values.encode(1))
            await on.reaches("patient", "a", "paused")
            edit(on, *RENAMED[::-1])
            assert await told(on, await swap(on)) == ["[wflow:info] 2 unfinished instances fit the code"]
            await on.reaches("patient", "a", "complete")
            assert await on.status("patient", "b") == "paused", "that was a person"
            assert on.effects == ["a before", "b before", "a after"]

    asyncio.run(story())


def test_all_that_a_difference_had_paused_go_on_however_many_are_newer(tmp_path, monkeypatch):
    monkeypatch.setattr(lookout, "SAMPLE", 2)

    async def story() -> None:
        async with stage(tmp_path) as on:
            held = ["a", "b", "c", "d", "e"]
            await asleep(on, *held)
            await on.runner.steer("patient", "c", "pause")
            edit(on, *RENAMED)
            await swap(on)
            for id_ in "abde":
                await on.runner.send_event("patient", id_, "go", values.encode(1))
                await on.reaches("patient", id_, "paused")
            edit(on, *RENAMED[::-1])
            build = await swap(on)
            await asleep(on, "f", "g")
            (said,) = await told(on, build)
            assert "the newest 2 of 7 unfinished instances fit the code" in said
            for id_ in "abde":
                await on.reaches("patient", id_, "complete")
            assert await on.status("patient", "c") == "paused", "that was a person"

    asyncio.run(story())


def test_one_that_is_over_or_gone_by_then_does_not_hold_up_the_others(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await asleep(on, "a", "b", "c")
            edit(on, *RENAMED)
            await swap(on)
            for id_ in "abc":
                await on.runner.send_event("patient", id_, "go", values.encode(1))
                await on.reaches("patient", id_, "paused")
            edit(on, *RENAMED[::-1])
            build = await swap(on)
            found = await on.runner.rehearsals.many(build)
            assert [one.instance.id for one in found.tried] == ["c", "b", "a"]
            await on.runner.steer("patient", "c", "terminate")
            await on.runner.delete("patient", ["b"])
            await Lookout(on.runner, Paper())._mended(found, build.version)
            await on.reaches("patient", "a", "complete")

    asyncio.run(story())


def test_the_next_save_ends_the_look_at_the_one_before(tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsals, "EACH_S", 30)

    async def story() -> None:
        async with stage(tmp_path) as on:
            await asleep(on, "a")
            good = on.build()
            start = "    async def run(self, event: Event, ctx: Context) -> list[Any]:\n"
            blocking = f"{start}        while True:\n            pass\n"
            edit(on, start, blocking)
            paper = Paper()
            looking = Lookout(on.runner, paper)
            looking.look(on.build())
            await until(lambda: any(trial._peer for trial in on.runner.rehearsals._trials), "the process")
            await meanwhile()
            edit(on, blocking, start)
            looking.look(good)
            await until(lambda: paper.said, "the second look")
            assert paper.said == ["[wflow:info] 1 unfinished instance fits the code"]
            await looking.close()
            assert not on.runner.rehearsals._trials

    asyncio.run(story())


def test_code_that_does_not_load_a_second_time_is_told(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await asleep(on, "a")
            edit(on, "import asyncio\n", "import asyncio\nraise RuntimeError('only once')\n")
            (said,) = await told(on, on.build())
            assert "the unfinished instances cannot be tried on this code" in said
            assert "only once" in said

    asyncio.run(story())

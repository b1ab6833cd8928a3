from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.shipped import deploy, edit, journal, shipped, upload
from tests.runner.stage import until
from tests.stories.processes import lives
from wflow.engine import facts
from wflow.engine.changes import Held
from wflow.engine.facts import Moved
from wflow.engine.outcome import Failure
from wflow.errors import LinkError, VersionNotFound, WorkerNotFound
from wflow.runner import rehearsals
from wflow.runner.rehearsals import Trial
from wflow.stores.store import Batch

if TYPE_CHECKING:
    from tests.runner.stage import Stage
    from wflow.wire.types import Rehearsals

RENAMED = ('ctx.do("before"', 'ctx.do("preparation"')


async def asleep(on: Stage, *ids: str) -> None:
    """Have instances that wait for an event, after a step."""
    for id_ in ids:
        await on.create("patient", id_)
        await on.reaches("patient", id_, "waiting")


async def tried(on: Stage, version: str, **more: Any) -> Rehearsals:
    return await on.runner.rehearse("shop", version, **{"limit": 100, **more})


def fits(found: Rehearsals) -> dict[str, bool]:
    return {one.id: one.verdict.clean for one in found.tried}


def processes(on: Stage) -> list[int]:
    return [trial._peer.pid for trial in on.runner.rehearsals._trials if trial._peer and trial._peer.pid]


def test_code_that_asks_for_the_same_steps_fits_and_nothing_comes_of_trying_it(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            first = await deploy(on)
            await asleep(on, "a", "b")
            edit(on, 'VERSION = "one"', 'VERSION = "two"')
            second = await upload(on)
            before = [await on.get("patient", id_) for id_ in "ab"]
            journals = [await journal(on, one) for one in before]
            effects = on.effects
            found = await tried(on, second.id)
            assert (fits(found), found.total, found.after) == ({"b": True, "a": True}, 2, None)
            assert {(one.workflow, one.version, one.status) for one in found.tried} == {
                ("patient", first.id, "waiting")
            }
            assert [await on.get("patient", id_) for id_ in "ab"] == before
            assert [await journal(on, one) for one in before] == journals
            assert on.effects == effects

    asyncio.run(story())


def test_code_that_does_not_fit_is_told_with_both_lines_and_a_guess(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            await asleep(on, "a")
            edit(on, *RENAMED)
            found = await tried(on, (await upload(on)).id)
            (one,) = found.tried
            verdict = one.verdict
            assert (verdict.clean, verdict.heard, verdict.recorded) == (False, 0, 1)
            parted = verdict.divergence
            assert parted is not None
            assert parted.recorded is not None
            assert parted.requested is not None
            assert (parted.recorded.key, parted.requested.key) == ("before-1", "preparation-1")
            assert parted.recorded.site.startswith("src/worker.py:")
            assert parted.requested.site.startswith("src/worker.py:")

    asyncio.run(story())


def test_a_workflow_that_a_version_no_longer_declares_does_not_fit_it(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            await asleep(on, "a")
            entry = '[[workflows]]\nname = "patient"\nbinding = "PATIENT"\nclass_name = "Patient"\n'
            edit(on, entry, "", "wflow.toml")
            found = await tried(on, (await upload(on)).id)
            (one,) = found.tried
            assert one.verdict.failure is not None
            assert "does not declare workflow 'patient'" in one.verdict.failure.message

    asyncio.run(story())


def test_those_that_are_over_or_have_not_begun_are_not_tried(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path, run=False) as on:
            version = await deploy(on)
            await on.create("patient", "queued")
            found = await tried(on, version.id)
            assert (found.tried, found.total) == ([], 1)
            await on.runner.steer("patient", "queued", "terminate")
            assert (await tried(on, version.id)).total == 0
            assert processes(on) == [], "there was nothing to start one for"

    asyncio.run(story())


def test_a_sample_has_the_newest_and_says_where_to_go_on(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            version = await deploy(on)
            await asleep(on, "a", "b", "c", "d", "e")
            await on.runner.steer("patient", "d", "pause")
            first = await tried(on, version.id, limit=2)
            assert ([one.id for one in first.tried], first.total) == (["e", "d"], 5)
            second = await tried(on, version.id, limit=2, after=first.after)
            assert [one.id for one in second.tried] == ["c", "b"]
            last = await tried(on, version.id, limit=None, after=second.after)
            assert ([one.id for one in last.tried], last.after) == (["a"], None)

    asyncio.run(story())


def test_all_are_read_in_pages_and_each_comes_once(tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsals, "PAGE", 2)

    async def story() -> None:
        async with shipped(tmp_path) as on:
            version = await deploy(on)
            await asleep(on, "a", "b", "c", "d", "e")
            for id_ in "ace":
                await on.runner.steer("patient", id_, "pause")
            found = await tried(on, version.id, limit=None)
            assert [one.id for one in found.tried] == ["e", "d", "c", "b", "a"]
            for id_ in "bd":
                await on.runner.steer("patient", id_, "terminate")
            assert fits(await tried(on, version.id, limit=None)) == dict.fromkeys("eca", True)

    asyncio.run(story())


def test_a_sample_looks_for_begun_ones_among_the_newest_queued_only(tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsals, "NEWEST_QUEUED", 2)

    async def story() -> None:
        async with shipped(tmp_path, run=False) as on:
            version = await deploy(on)
            for id_ in "abc":
                await on.create("patient", id_)
            store, failure = on.runner.store, Failure("Boom", "")
            (claim,) = await store.claim({"patient": 1}, owner="me", now=1)
            moved = facts.encode(Moved("paused", 2))
            row = (claim.key, 1, facts.MOVED, 2, moved)
            held = [Held(claim.key, 2, failure)]
            await store.append(Batch(claims=[(claim.key, claim.epoch)], rows=[row], changes=held))
            await store.move(claim.key, "resume", now=3)
            assert await on.status("patient", "a") == "queued"
            assert fits(await tried(on, version.id)) == {}, "it is the oldest of three"
            assert fits(await tried(on, version.id, limit=None)) == {"a": True}

    asyncio.run(story())


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("while True: pass", "did not come to rest within"),
        ("__import__('os')._exit(3)", "did not live through it"),
    ],
)
def test_code_that_blocks_or_dies_over_one_journal_does_not_hold_the_others(
    tmp_path, monkeypatch, line, told
):
    monkeypatch.setattr(rehearsals, "EACH_S", 1.0)

    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            await asleep(on, "a", "bad", "c")
            start = "    async def run(self, event: Event, ctx: Context) -> list[Any]:\n"
            edit(on, start, f'{start}        if event.instance_id == "bad":\n            {line}\n')
            found = await tried(on, (await upload(on)).id)
            assert fits(found) == {"c": True, "bad": False, "a": True}
            failure = found.tried[1].verdict.failure
            assert failure is not None
            assert told in failure.message

    asyncio.run(story())


def test_after_a_few_that_block_the_others_are_not_tried(tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsals, "EACH_S", 0.3)

    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            await asleep(on, "a", "b", "c", "d", "e")
            start = "    async def run(self, event: Event, ctx: Context) -> list[Any]:\n"
            edit(on, start, f"{start}        while True:\n            pass\n")
            found = await tried(on, (await upload(on)).id)
            assert (len(found.tried), found.total) == (rehearsals.BLOCKED, 5)

    asyncio.run(story())


def test_a_process_is_kept_for_the_next_one_on_the_same_code_and_ends_by_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsals, "IDLE_S", 0.2)

    async def story() -> None:
        async with shipped(tmp_path) as on:
            version = await deploy(on)
            await asleep(on, "a")
            await tried(on, version.id)
            (pid,) = processes(on)
            await tried(on, version.id)
            assert processes(on) == [pid]
            other = await upload(on)
            await tried(on, other.id)
            assert not lives(pid)
            (pid,) = processes(on)
            await until(lambda: not lives(pid), "the process to end")
            assert processes(on) == []

    asyncio.run(story())


def test_the_runner_ends_with_what_is_being_tried(tmp_path):
    async def story() -> None:
        pids: list[int] = []
        async with shipped(tmp_path) as on:
            await deploy(on)
            await asleep(on, "a")
            start = "    async def run(self, event: Event, ctx: Context) -> list[Any]:\n"
            edit(on, start, f"{start}        while True:\n            pass\n")
            version = await upload(on)
            trying = asyncio.create_task(tried(on, version.id))
            pids += await until(lambda: processes(on), "the process")
        assert not any(map(lives, pids))
        await asyncio.gather(trying, return_exceptions=True)

    asyncio.run(story())


@pytest.mark.parametrize("after", [0, 1, 2, 3, 5, 8, 13, 21, 34])
def test_no_process_comes_up_any_more_when_the_runner_has_ended(tmp_path, after):
    async def story() -> None:
        async with shipped(tmp_path, run=False) as on:
            version = await upload(on)
            trial = Trial(await on.runner.build(version.id), on.runner.fleet)
            up = asyncio.create_task(trial._up())
            for _ in range(after):
                await asyncio.sleep(0)
            await trial.close()
            (failed,) = await asyncio.gather(up, return_exceptions=True)
            assert isinstance(failed, LinkError)
            assert trial._peer is None

    asyncio.run(story())


def test_versions_and_workers_that_are_not_there_are_refused(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            version = await deploy(on)
            with pytest.raises(VersionNotFound):
                await tried(on, "nope")
            with pytest.raises(WorkerNotFound):
                await on.runner.rehearse("market", version.id, limit=1)

    asyncio.run(story())

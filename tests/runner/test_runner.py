from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.runner.stage import meanwhile, stage, until
from wflow.engine import values
from wflow.errors import InstanceEnded, InstanceNotFound, InvalidInput, LinkError, WorkflowNotFound
from wflow.link import mishap
from wflow.runner import runner as runners
from wflow.runner import tidying
from wflow.runner.project import VERSION
from wflow.runner.runner import Runner
from wflow.wire.types import HttpRequest, Wanted


def test_each_request_is_logged_once_with_its_status_and_time(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            for path in ("/version", "/nowhere", "/broken"):
                await on.fetch(path)
            told = [line.rpartition(" (")[0] for line in await on.lines() if "GET" in line]
            assert told == [
                "GET /version 200 OK",
                "GET /nowhere 404 Not Found",
                "GET /broken 500 Internal Server Error",
            ]

    asyncio.run(story())


def test_what_fetch_raised_comes_along_and_is_in_the_log(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            request = HttpRequest(method="GET", url="http://localhost/broken", headers=[], body=b"")
            answer = await on.runner.fetch(None, request)
            assert answer.status == 500
            told = mishap.decode(answer.mishap)
            assert told is not None
            assert (told.name, told.message) == ("RuntimeError", "the till is jammed")
            assert told.places[-1].own
            assert "RuntimeError: the till is jammed" in await on.lines()

    asyncio.run(story())


def test_requests_wait_while_code_is_swapped(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            assert await on.fetch("/version") == (200, "one")
            with on.runner.holding_requests():
                waiting = asyncio.create_task(on.fetch("/version"))
                await meanwhile(0.05)
                assert not waiting.done()
            assert await waiting == (200, "one")

    asyncio.run(story())


def test_a_request_for_what_is_not_there_is_refused_and_logged_as_it_is_answered(tmp_path):
    async def story() -> None:
        request = HttpRequest(method="GET", url="http://localhost/", headers=[], body=b"")
        async with stage(tmp_path, run=False) as on:
            with pytest.raises(LinkError, match="the code is not loaded"):
                await on.runner.fetch(None, request)
            with pytest.raises(InvalidInput, match="no such Worker"):
                await on.runner.fetch("shop", request)
            told = [line.rpartition(" (")[0] for line in await on.lines()]
            assert told == ["GET / 503 Service Unavailable", "GET / 404 Not Found"]

    asyncio.run(story())


def test_a_request_whose_runtime_dies_is_refused_and_the_next_is_answered(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            slow = asyncio.create_task(on.fetch("/slow?seconds=600"))
            peer = await on.runner.fleet.peer(VERSION)
            await until(lambda: peer.busy, "the request")
            peer.kill()
            with pytest.raises(LinkError):
                await slow
            assert await on.fetch("/version") == (200, "one")

    asyncio.run(story())


def test_instances_are_created_found_steered_and_deleted(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            runner = on.runner
            (made,) = await runner.create("patient", [Wanted(id="p")], trigger="api")
            assert (made.id, made.created, made.version) == ("p", True, VERSION)
            (twice,) = await runner.create("patient", [Wanted(id="p")], trigger="api")
            assert not twice.created
            await on.reaches("patient", "p", "waiting")
            assert (await runner.steer("patient", "p", "terminate")).status == "terminated"
            with pytest.raises(InstanceEnded):
                await runner.steer("patient", "p", "terminate")
            with pytest.raises(InstanceEnded):
                await runner.send_event("patient", "p", "go", values.NONE)
            assert await runner.delete("patient", ["p", "nobody"]) == {"p"}
            with pytest.raises(InstanceNotFound):
                await runner.get("patient", "p")
            with pytest.raises(WorkflowNotFound):
                await runner.get("nothing", "p")

    asyncio.run(story())


def test_nothing_is_executed_until_it_is_said(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, run=False) as on:
            on.runner.registry.activate(on.build())
            await on.create("counting", "c", {"steps": 1})
            await meanwhile(0.05)
            assert await on.status("counting", "c") == "queued"
            on.runner.execute()
            await on.reaches("counting", "c", "complete")

    asyncio.run(story())


def test_what_was_unfinished_goes_on_by_itself_in_the_next_runner(tmp_path):
    async def story() -> None:
        gate = tmp_path / "gate"
        async with stage(tmp_path) as on:
            await on.create("gated", "g", {"gate": str(gate)})
            await until(lambda: on.effects == ["g begins"], "the step")
        gate.touch()
        async with stage(tmp_path) as on:
            await on.reaches("gated", "g", "complete")
            assert on.effects == ["g begins", "g begins", "g ends"]

    asyncio.run(story())


def test_a_sleeper_is_woken_by_a_runner_that_was_not_there_when_it_fell_asleep(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("patient", "p", {"sleep": 300})
            await on.reaches("patient", "p", "waiting")
        async with stage(tmp_path) as on:
            await on.reaches("patient", "p", "complete")
            assert on.effects == ["p before", "p after"]

    asyncio.run(story())


def test_a_store_that_cannot_be_opened_is_not_kept(tmp_path):
    async def story() -> None:
        async with stage(tmp_path):
            with pytest.raises(Exception, match="another process uses the data folder"):
                await Runner.open(f"sqlite://{tmp_path / 'data'}", tmp_path / "versions")

    asyncio.run(story())


def test_old_lines_of_workers_are_trimmed_and_idle_runtimes_ended_now_and_then(tmp_path, monkeypatch):
    monkeypatch.setattr(runners, "IDLE_S", 0.05)
    monkeypatch.setattr(tidying, "LINES", 2)

    async def story() -> None:
        async with stage(tmp_path) as on:
            for number in range(30):
                await on.fetch(f"/{number}")
            await on.runner.notes.close()
            await until(lambda: kept(on.runner), "the oldest lines to go")
            assert await on.fetch("/version") == (200, "one")

    async def kept(runner: Runner) -> bool:
        return 2 <= len(await runner.store.tail(0)) < 30

    asyncio.run(story())


def test_what_is_over_is_deleted_when_its_time_has_come_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.setattr(runners, "RETIRE_S", 0.02)
    monkeypatch.setattr(tidying, "RETIRED", 2)

    async def story() -> None:
        async with stage(tmp_path) as on:
            wanted = [Wanted(id=f"old-{number}", error_retention_ms=0) for number in range(5)]
            kept = [Wanted(id="kept"), Wanted(id="unfinished", error_retention_ms=0)]
            await on.runner.create("patient", [*wanted, *kept], trigger="api")
            for one in (*wanted, kept[0]):
                await on.runner.steer("patient", one.id or "", "terminate")
            await until(lambda: left(on.runner), "the old ones to go")

    async def left(runner: Runner) -> bool:
        return [one.id for one in await runner.store.find("patient")] == ["unfinished", "kept"]

    asyncio.run(story())


def test_who_waits_for_changes_is_told_that_the_runner_stops(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            waiting = asyncio.create_task(on.runner.changed(await on.runner.store.position()))
            await meanwhile(0.02)
        assert await waiting is None

    asyncio.run(story())


def test_every_runtime_of_a_store_gives_text_the_same_hash_and_no_other_store_does(tmp_path):
    async def seed(folder: Path) -> int:
        runner = await Runner.open(f"sqlite://{folder}", folder / "versions")
        try:
            return runner.fleet.hash_seed
        finally:
            await runner.close()

    async def story() -> None:
        first = await seed(tmp_path / "a")
        assert first == await seed(tmp_path / "a")
        assert first != await seed(tmp_path / "b")

    asyncio.run(story())


def environment_of(pid: int | None) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_text().split("\0")


def test_a_runtime_has_the_hash_seed_of_its_store(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            peer = await on.runner.fleet.peer(VERSION)
            assert f"PYTHONHASHSEED={on.runner.fleet.hash_seed}" in environment_of(peer.pid)

    asyncio.run(story())

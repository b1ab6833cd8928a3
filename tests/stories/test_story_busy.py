"""Many at once: requests, creations, prints; and how quick the usual case is."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.stories.processes import PLAIN, World, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.processes import Process

VISITORS = 200


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with World(tmp_path_factory.mktemp("busy")).open_shop().dev() as session:
        yield session


def test_two_hundred_requests_at_once_are_all_answered_side_by_side(session: Process):
    async def visit() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=VISITORS)
        async with httpx.AsyncClient(base_url=session.url, limits=limits, **PLAIN) as client:
            return await asyncio.gather(*(client.get("/slow?seconds=0.3") for _ in range(VISITORS)))

    answers = asyncio.run(visit())
    assert {answer.status_code for answer in answers} == {200}
    took = max(answer.elapsed.total_seconds() for answer in answers)
    assert took < VISITORS * 0.3 / 10, "seconds: they do not wait for one another"


def test_a_flood_of_creations_is_taken_whole_and_run_to_its_end(session: Process):
    async def create() -> list[int]:
        limits = httpx.Limits(max_connections=32)
        async with httpx.AsyncClient(base_url=session.url, limits=limits, **PLAIN) as client:
            made = await asyncio.gather(
                *(client.post("/counting", json={"steps": 1}) for _ in range(VISITORS))
            )
            return [answer.status_code for answer in made]

    with session.api() as api:
        before = api.instances.list("counting").info["total_count"]
        assert set(asyncio.run(create())) == {201}

        def done() -> bool:
            found = api.instances.list("counting", status="complete", per_page=1)
            return bool(found.info["total_count"] == before + VISITORS)

        wait_for(done, "all to complete")


def test_a_worker_starts_an_instance_in_a_few_milliseconds(session: Process):
    took = []
    with httpx.Client(base_url=session.url, **PLAIN) as client:
        for _ in range(30):
            answer = client.post("/counting", json={"steps": 0})
            assert answer.status_code == 201
            took.append(answer.elapsed.total_seconds())
    assert sorted(took)[len(took) // 2] < 0.05, "seconds, on a busy machine; it takes a tenth on an idle one"


def test_what_is_printed_is_told_in_order_and_once(session: Process):
    mark = len(session.err)
    with httpx.Client(base_url=session.url, **PLAIN) as client:
        for number in range(100):
            client.get("/print", params={"text": f"line {number:03}"})
    told = session.says("line 099", after=mark)[mark:]
    assert [line.split()[-1] for line in told.splitlines() if " line " in line] == [
        f"{number:03}" for number in range(100)
    ]


def test_a_visitor_who_leaves_before_the_answer_harms_nobody(session: Process):
    def leave() -> None:
        impatient = {**PLAIN, "timeout": 0.05}
        with httpx.Client(base_url=session.url, **impatient) as client, pytest.raises(httpx.ReadTimeout):
            client.get("/slow?seconds=0.5")

    visitors = [threading.Thread(target=leave) for _ in range(10)]
    for visitor in visitors:
        visitor.start()
    for visitor in visitors:
        visitor.join()
    assert session.ask("GET", "/version").text == "one"
    assert "Traceback" not in session.err

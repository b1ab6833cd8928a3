"""Change code under an instance that waits: it is held, says why, and goes on in each way that it tells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from tests.stories.processes import Process, World

WORKER = "src/worker.py"
BEFORE = 'ctx.do("before", self._say, event.instance_id, "before")'
FIRST = BEFORE.replace('do("before"', 'do("first"')
FORMERLY = FIRST.replace('"before")', '"before", formerly="before")')
PATCHED = 'ctx.do("first" if ctx.patched("first") else "before", self._say, event.instance_id, "before")'


def test_it_says_both_lines_and_goes_on_once_it_is_accepted(world: World):
    with world.dev() as session, session.api() as api:
        waiting(api)
        change(world, session, BEFORE, FIRST)
        send(api)
        wait_for(lambda: api.instances.get("patient", "i")["status"] == "paused", "it to be held")
        told = world.wflow("workflows", "instances", "describe", "patient", "i", *here(session)).out
        line = (world.project / WORKER).read_text().splitlines().index(f"        before = await {FIRST}") + 1
        place = f"{WORKER}:{line} before = await"
        assert f"journal: step 'before-1' (do), {place} {BEFORE}" in told
        assert f"code:    step 'first-1' (do), {place} {FIRST}" in told
        assert "guess:   renamed: 'before-1' is called 'first-1' now" in told
        assert told.count("ways on:") == 1
        assert "wflow workflows instances resume patient i --accept" in told
        ran = world.wflow("workflows", "instances", "resume", "patient", "i", "--accept", *here(session))
        assert (ran.code, ran.err) == (0, "")
        assert output(api) == ["one", {"now": True}, "one"]
    assert world.effects == ["i before", "i before", "i after"], "the new step ran, as was told"


@pytest.mark.parametrize("mended", [FORMERLY, PATCHED, BEFORE], ids=["formerly", "patched", "back"])
def test_it_goes_on_when_the_code_is_mended(world: World, mended: str):
    with world.dev() as session, session.api() as api:
        waiting(api)
        change(world, session, BEFORE, FIRST)
        send(api)
        wait_for(lambda: api.instances.get("patient", "i")["status"] == "paused", "it to be held")
        change(world, session, FIRST, mended)
        ran = world.wflow("workflows", "instances", "resume", "patient", "i", *here(session))
        assert (ran.code, ran.err) == (0, "")
        assert output(api) == ["one", {"now": True}, "one"]
    assert world.effects == ["i before", "i after"], "what was done is not done again"


def waiting(api: Any) -> None:
    api.instances.create("patient", {}, id_="i")
    wait_for(lambda: api.instances.get("patient", "i")["status"] == "waiting", "it to wait")


def change(world: World, session: Process, old: str, new: str) -> None:
    mark = len(session.err)
    world.edit(WORKER, f"before = await {old}", f"before = await {new}")
    session.says("Reloaded in", after=mark)


def send(api: Any) -> None:
    api.instances.send_event("patient", "i", "go", {"now": True})


def here(session: Process) -> list[str]:
    return ["--local", "--port", session.url.rpartition(":")[2]]


def output(api: Any) -> Any:
    wait_for(lambda: api.instances.get("patient", "i")["status"] == "complete", "its end")
    return api.instances.get("patient", "i")["output"]

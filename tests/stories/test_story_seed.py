"""The advice of the guide: cause a failure on purpose, and watch the instance resume from the last good step.

A person with a new project, who has nothing but the commands: a step fails until it is mended, and the power
goes out in the middle of that. What was done before is not done again.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stories.processes import Process, World

NAME = "my-workflow"
WORKFLOW = "src/workflow.py"
SOUND = 'return [item * 2 for item in prev["data"]]'
BROKEN = 'raise RuntimeError("broken on purpose")'
PATIENT = 'ctx.do("process", process, step1, retries={"limit": 10_000, "delay": 100, "backoff": "constant"})'


def test_an_instance_resumes_from_the_last_good_step_after_a_failure_on_purpose_and_a_kill(world: World):
    assert world.wflow("init", NAME, "--template", "workflows", "-y", cwd=world.folder).code == 0
    home = world.folder / NAME
    edit(home, 'ctx.do("process", process, step1)', PATIENT)
    edit(home, SOUND, BROKEN)

    with world.dev(cwd=home) as session:
        payload = json.dumps({"url": f"{session.url}/data"})
        made = world.wflow("workflows", "trigger", NAME, payload, "--id", "order-1", "--local", cwd=home)
        assert made.code == 0, made.err
        told = wait_for(lambda: describes(world, home, "broken on purpose"), "the failure to be shown")
        assert "process-1" in told
        assert fetches(session) == 1
        before = wait_for(lambda: attempts(world, home, at_least=2), "two attempts")
        session.kill()

    with world.dev(cwd=home) as session:
        again = wait_for(lambda: attempts(world, home, at_least=before + 2), "attempts after the kill")
        assert again > before, "it goes on by itself, and counts on"
        edit(home, BROKEN, SOUND)
        session.says("Reloaded in")
        done = wait_for(lambda: complete(world, home), "the end of order-1")
        assert fetches(session) == 0, "what was done before the kill is not done again"
        assert str(done["output"]["items"]) == "[2, 4, 6]"
        by_name = {step["name"]: step["attempts"] for step in done["steps"]}
        assert list(by_name) == ["fetchData-1", "process-1", "store-1"]
        assert [attempt["success"] for attempt in by_name["fetchData-1"]] == [True]
        assert [attempt["success"] for attempt in by_name["store-1"]] == [True]
        outcomes = [attempt["success"] for attempt in by_name["process-1"]]
        assert outcomes[-1] is True
        assert set(outcomes[:-1]) == {False}
        logged = world.wflow("logs", "--instance", "order-1", "--since", "1h", "--local", cwd=home)
        assert logged.out.count("Processing step 1") == 1, "the code before it was replayed, and says it once"
        assert "broken on purpose" in logged.out


def edit(home: Path, old: str, new: str) -> None:
    """Change the workflow, as an editor does: all at once."""
    file = home / WORKFLOW
    text = file.read_text()
    assert old in text
    draft = file.with_name("draft~")
    draft.write_text(text.replace(old, new))
    draft.replace(file)


def describe(world: World, home: Path, *more: str) -> str:
    asked = world.wflow("workflows", "instances", "describe", NAME, "order-1", "--local", *more, cwd=home)
    return asked.out


def describes(world: World, home: Path, text: str) -> str | None:
    told = describe(world, home)
    return told if text in told else None


def attempts(world: World, home: Path, *, at_least: int) -> int | None:
    """Count the attempts of `process` that are shown, once there are so many."""
    shown = json.loads(describe(world, home, "--json"))
    found = sum(len(step["attempts"]) for step in shown["steps"] if step["name"] == "process-1")
    return found if found >= at_least else None


def complete(world: World, home: Path) -> dict[str, Any] | None:
    shown: dict[str, Any] = json.loads(describe(world, home, "--json"))
    return shown if shown["status"] == "complete" else None


def fetches(session: Process) -> int:
    """Count how often the first step has asked for its numbers, by what the session logs of requests."""
    return session.err.count("GET /data")

"""A recorded run is looked at step by step, debugged, tried against other code, and shown to others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from tests.stories.processes import Process, World

COUNTING = ("counting", "--local")
STEP = 'ctx.do("step", self._step, event.instance_id, number, pause_s)'


def complete(session: Process, workflow: str, id_: str, params: dict[str, object]) -> None:
    """Have an instance run to its end."""
    with session.api() as api:
        api.instances.create(workflow, params, id_=id_)
        wait_for(lambda: api.instances.get(workflow, id_)["status"] == "complete", f"{id_} is complete")


def test_an_instance_is_replayed_stepped_through_and_debugged_without_any_effect(world: World) -> None:
    with world.dev() as session:
        complete(session, "counting", "one", {"steps": 4})
        done = list(world.effects)

        whole = world.wflow("replay", "one", "--local")
        assert (whole.code, whole.out.splitlines()[-1]) == (0, "replays cleanly: 4 of 4")

        walk = "next\nlocals\nback\ngoto 4\nvalue\nn\nb\nq\n"
        stepped = world.wflow("replay", "latest", "--workflow", "counting", "--local", "--step", stdin=walk)
        assert stepped.code == 0
        assert "    total = 0" in stepped.out.splitlines()
        assert "end: replays cleanly, 4 of 4" in stepped.out

        debugged = world.wflow(
            "replay", "one", "--local", "--step", stdin="goto 3\npdb\np total\nn\np total, number\nc\nq\n"
        )
        assert debugged.code == 0, debugged.err
        lines = debugged.out.splitlines()
        assert lines.index("1") < lines.index("(3, 2)") < len(lines) - 1
        assert any(line.startswith("4/4  step-4") for line in lines)
        assert world.effects == done, "a replay has no effect"

    # Nothing runs any more, and what it left is there.
    assert world.wflow("replay", "one", "--local").code == 0


def test_an_exported_history_replays_elsewhere_and_shows_where_changed_code_parts_from_it(
    world: World,
) -> None:
    with world.dev() as session:
        complete(session, "counting", "one", {"steps": 3})
        exported = world.wflow("workflows", "instances", "export", *COUNTING, "one", "-o", "../one.json")
        assert exported.code == 0, exported.err
    (world.state / "store.sqlite").unlink(missing_ok=True)

    assert world.wflow("replay", "../one.json").code == 0

    world.edit("src/worker.py", STEP, STEP.replace('"step"', '"stride"'))
    changed = world.wflow("replay", "../one.json", "--json")
    found = json.loads(changed.out)
    assert (changed.code, found["clean"], found["heard"]) == (1, False, 0)
    assert found["divergence"]["cause"] == "renamed"
    assert found["divergence"]["recorded"]["site"].startswith("src/worker.py:")
    assert '"stride"' in found["divergence"]["requested"]["site"]

    world.edit("src/worker.py", "number, pause_s)\n", 'number, pause_s, formerly="step")\n')
    assert world.wflow("replay", "../one.json").code == 0


def test_a_redacted_history_replays_as_well(world: World) -> None:
    with world.dev() as session:
        with session.api() as api:
            api.instances.create("patient", {"sleep": 0}, id_="one")
            api.instances.send_event("patient", "one", "go", {"name": "Ada Lovelace", "card": "4111"})
            wait_for(lambda: api.instances.get("patient", "one")["status"] == "complete", "it is complete")
        printed = world.wflow("workflows", "instances", "export", "patient", "one", "--local", "--redact")
        assert printed.code == 0
        some = world.wflow(
            "workflows", "instances", "export", "patient", "one", "--local", "--redact-key", "CARD"
        )
    assert "Ada" not in printed.out
    assert "4111" not in printed.out + some.out
    assert "Ada" in some.out
    (world.folder / "one.json").write_text(printed.out)
    replayed = world.wflow("replay", "../one.json")
    assert replayed.code == 0, replayed.out
    assert "Replaced in this history" in replayed.err


def test_an_instance_of_a_runner_is_replayed_against_the_code_at_hand(world: World) -> None:
    with world.runner() as runner:
        token = wait_for(lambda: str(runner.out).strip(), "the first token")
        world.environment |= {"WFLOW_API_URL": runner.url, "WFLOW_API_TOKEN": token}
        assert world.wflow("deploy").code == 0
        with runner.api(token) as api:
            api.instances.create("counting", {"steps": 2}, id_="one")
            wait_for(lambda: api.instances.get("counting", "one")["status"] == "complete", "it is complete")
        assert world.wflow("replay", "one").code == 0
        world.edit("src/worker.py", "total = 0", "total = 5")
        ran = world.wflow("replay", "one")
        assert ran.code == 1
        assert "the instance gave 1; the code gives 6" in ran.out

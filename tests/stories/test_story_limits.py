"""A concurrency limit: so many run, the rest are queued in order, and who sleeps or waits holds no place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.processes import wait_for
from wflow.errors import RunnerError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stories.processes import World

LIMIT = 2
INSTANCES = 10


def test_only_as_many_as_the_limit_run_and_the_queue_is_served_in_order(world: World):
    ids = [f"g{number}" for number in range(INSTANCES)]
    with world.dev() as session, session.api() as api:
        for id_ in ids:
            api.instances.create("gated", {"gate": str(gate(world, id_))}, id_=id_)
        for served in range(INSTANCES):
            inside = ids[served : served + LIMIT]
            wait_for(lambda: begun(world) == ids[: served + LIMIT], f"{inside} to begin")  # noqa: B023
            now = {id_: status(api, id_) for id_ in ids[served:]}
            assert {id_ for id_, each in now.items() if each == "running"} == set(inside)
            assert {id_ for id_, each in now.items() if each == "queued"} == set(ids[served + LIMIT :])
            gate(world, ids[served]).touch()
            wait_for(lambda: status(api, ids[served]) == "complete", f"the end of {ids[served]}")  # noqa: B023
    assert most_at_once(world) == LIMIT


def test_who_sleeps_holds_no_place_and_goes_before_the_queue_when_it_wakes(world: World):
    with world.dev() as session, session.api() as api:
        for id_ in ("s0", "s1"):
            api.instances.create("gated", {"gate": str(gate(world, id_)), "sleep": 600}, id_=id_)
        for id_ in ("g0", "g1", "g2"):
            api.instances.create("gated", {"gate": str(gate(world, id_))}, id_=id_)
        wait_for(lambda: begun(world) == ["g0", "g1"], "two to begin")
        assert [status(api, id_) for id_ in ("s0", "s1", "g2")] == ["waiting", "waiting", "queued"]
        # Both have woken by now as far as they are concerned, and wait for a place; a freed one is theirs.
        wait_for(lambda: woken(api), "the sleepers' time", seconds=5)
        gate(world, "g0").touch()
        wait_for(lambda: len(begun(world)) == 3, "the next to begin")
        assert begun(world)[2] in {"s0", "s1"}
        for id_ in ("s0", "s1", "g0", "g1", "g2"):
            gate(world, id_).touch()
        for id_ in ("s0", "s1", "g0", "g1", "g2"):
            wait_for(lambda: status(api, id_) == "complete", f"the end of {id_}")  # noqa: B023
    assert most_at_once(world) == LIMIT


def test_a_terminated_instance_gives_its_place_to_the_next(world: World):
    with world.dev() as session, session.api() as api:
        for id_ in ("g0", "g1", "g2", "g3"):
            api.instances.create("gated", {"gate": str(gate(world, id_))}, id_=id_)
        wait_for(lambda: begun(world) == ["g0", "g1"], "two to begin")
        api.instances.steer("gated", "g2", "terminate")
        api.instances.steer("gated", "g0", "terminate")
        wait_for(lambda: begun(world) == ["g0", "g1", "g3"], "the next that is left")
        api.instances.delete("gated", "g1")
        for id_ in ("g3",):
            gate(world, id_).touch()
            wait_for(lambda: status(api, id_) == "complete", f"the end of {id_}")  # noqa: B023
        assert [status(api, id_) for id_ in ("g0", "g2")] == ["terminated", "terminated"]
    assert [line for line in world.effects if line.endswith("ends")] == ["g3 ends"]


def test_of_one_key_one_runs_at_a_time_and_the_urgent_one_goes_next_also_after_a_kill(world: World):
    world.edit("wflow.toml", "limit = 2", 'limit = 2\nkey = "customer.id"\nper_key = 1')

    def create(api: Any, id_: str, customer: int, **more: Any) -> None:
        params = {"gate": str(gate(world, id_)), "customer": {"id": customer}}
        api.instances.create("gated", params, id_=id_, **more)

    with world.dev() as session, session.api() as api:
        for id_ in ("a0", "a1", "a2"):
            create(api, id_, 1)
        create(api, "urgent", 1, priority=1)
        create(api, "b0", 2)
        wait_for(lambda: sorted(begun(world)) == ["a0", "b0"], "one of each key to begin")
        assert {id_: status(api, id_) for id_ in ("a1", "a2", "urgent")} == dict.fromkeys(
            ("a1", "a2", "urgent"), "queued"
        )
        assert api.instances.get("gated", "urgent")["concurrency_key"] == "1"
        session.kill()
    with world.dev() as session, session.api() as api:
        for id_ in ("a0", "urgent", "a1", "a2", "b0"):
            gate(world, id_).touch()
            wait_for(lambda: status(api, id_) == "complete", f"the end of {id_}")  # noqa: B023
    first = list(dict.fromkeys(begun(world)))
    assert [id_ for id_ in first if id_ != "b0"] == ["a0", "urgent", "a1", "a2"]


def test_more_than_the_creation_rate_are_refused_with_the_time_to_wait(world: World):
    world.edit("wflow.toml", "limit = 2", 'limit = 2\n[workflows.limits]\ncreations = "2/min"')
    with world.dev() as session, session.api() as api:
        api.instances.create("gated", {"gate": str(gate(world, "g0"))}, id_="g0")
        with pytest.raises(RunnerError) as refused:
            api.instances.create("gated", {"gate": str(gate(world, "g1"))}, id_="g1")
        assert (refused.value.status, refused.value.number) == (429, 10429)
        assert "takes 2/min new instances; try again in" in refused.value.message
        gate(world, "g0").touch()


def test_a_limit_that_is_raised_in_the_config_lets_more_run_at_once(world: World):
    with world.dev() as session, session.api() as api:
        for number in range(4):
            api.instances.create("gated", {"gate": str(gate(world, "all"))}, id_=f"g{number}")
        wait_for(lambda: len(begun(world)) == LIMIT, "two to begin")
        world.edit("wflow.toml", "limit = 2", "limit = 3")
        wait_for(lambda: len(begun(world)) >= 3, "one more to begin")
        gate(world, "all").touch()
        for number in range(4):
            wait_for(lambda: status(api, f"g{number}") == "complete", "the ends")  # noqa: B023


def gate(world: World, id_: str) -> Path:
    return world.folder / f"gate-{id_}"


def begun(world: World) -> list[str]:
    return [line.partition(" ")[0] for line in world.effects if line.endswith("begins")]


def most_at_once(world: World) -> int:
    inside = most = 0
    for line in world.effects:
        inside += 1 if line.endswith("begins") else -1
        most = max(most, inside)
    return most


def status(api: Any, id_: str) -> str:
    return str(api.instances.get("gated", id_, simple=True)["status"])


def woken(api: Any) -> bool:
    from datetime import UTC, datetime

    shown = api.instances.get("gated", "s1")
    until = datetime.fromisoformat(shown["queued"]).timestamp() + 0.8
    return datetime.now(UTC).timestamp() > until

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.shipped import deploy, edit, journal, shipped, upload
from tests.runner.stage import meanwhile, stage, until
from wflow.engine import values
from wflow.engine.facts import Moved, Settled
from wflow.errors import (
    InstanceEnded,
    InstanceNotFound,
    InvalidInput,
    LoadError,
    VersionNotFound,
    WrongMove,
)
from wflow.link import frames
from wflow.runner import migrations, versions

if TYPE_CHECKING:
    from tests.runner.stage import Stage
    from wflow.stores.store import Instance
    from wflow.wire.types import Rehearsal

RENAMED = ('ctx.do("before"', 'ctx.do("preparation"')
NEW = ('VERSION = "one"', 'VERSION = "two"')
PARALLEL = """\
        total = 0
        if event.payload.get("gate"):
            await asyncio.gather(
                ctx.do("long", self._long, event.payload["gate"]),
                self._short(ctx, event.instance_id),
            )
"""
METHODS = """\
    async def _short(self, ctx: Context, instance_id: str) -> None:
        for number in range(40):
            await ctx.do("short", self._step, instance_id, number, 0.05)

    async def _long(self, gate: str) -> None:
        while not is_open(gate):
            await asyncio.sleep(POLL_S)

"""
BEFORE = '        before = await ctx.do("before"'
PATIENT = """\
[[workflows]]
name = "patient"
binding = "PATIENT"
class_name = "Patient"

"""
STEP = "    async def _step(self, instance_id: str, number: int"


async def migrate(on: Stage, id_: str, version: str | None = None, workflow: str = "patient") -> Rehearsal:
    return await on.runner.migrate(workflow, id_, version)


async def moves(on: Stage, instance: Instance) -> list[dict[str, object]]:
    """Give what the journal says of versions."""
    facts = await journal(on, instance)
    return [fact.detail for fact in facts if isinstance(fact, Moved) and "version" in fact.detail]


async def output(on: Stage, workflow: str, id_: str) -> Any:
    done = await on.reaches(workflow, id_, "complete")
    assert done.output is not None
    return values.decode(done.output)


def hurry(on: Stage) -> None:
    """Have what counts go on without its pauses."""
    on.witness.with_name(f"{on.witness.name}.hurry").touch()


def settled_once(facts: list[Any]) -> bool:
    keys = [fact.key for fact in facts if isinstance(fact, Settled)]
    return len(keys) == len(set(keys))


def test_one_that_rests_and_fits_goes_on_in_the_other_version(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            first = await deploy(on)
            await on.create("patient", "a")
            await on.reaches("patient", "a", "waiting")
            edit(on, *NEW)
            second = await deploy(on)
            done = await migrate(on, "a")
            assert (done.version, done.status, done.verdict.clean) == (second.id, "waiting", True)
            one = await on.get("patient", "a")
            assert one.version == second.id
            assert await moves(on, one) == [{"version": second.id, "from": first.id}]
            await on.runner.send_event("patient", "a", "go", values.encode(1))
            assert await output(on, "patient", "a") == ["one", 1, "two"]
            assert on.effects == ["a before", "a after"]

    asyncio.run(story())


def test_one_that_does_not_fit_stays_where_it_is_as_it_is(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            first = await deploy(on)
            await on.create("patient", "a")
            await on.reaches("patient", "a", "waiting")
            edit(on, *RENAMED)
            await deploy(on)
            before = await on.get("patient", "a")
            kept = await journal(on, before)
            done = await migrate(on, "a")
            assert (done.version, done.verdict.clean) == (first.id, False)
            assert done.verdict.divergence is not None
            assert await on.get("patient", "a") == before
            assert await journal(on, before) == kept
            await on.runner.send_event("patient", "a", "go", values.encode(1))
            assert await output(on, "patient", "a") == ["one", 1, "one"]

    asyncio.run(story())


def test_one_that_has_not_begun_goes_to_the_other_version(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path, run=False) as on:
            await deploy(on)
            await on.create("patient", "a")
            second = await deploy(on)
            assert (await migrate(on, "a")).version == second.id
            assert await on.status("patient", "a") == "queued"

    asyncio.run(story())


def test_one_that_runs_is_moved_between_two_steps_and_each_of_them_runs_once(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            await on.create("counting", "a", {"steps": 60, "pause_s": 0.03})
            await until(lambda: len(on.effects) > 5, "some steps")
            second = await deploy(on)
            done = await migrate(on, "a", workflow="counting")
            assert (done.version, done.verdict.clean) == (second.id, True)
            there = len(on.effects)
            assert there < 60, "it was on its way"
            hurry(on)
            assert await output(on, "counting", "a") == sum(range(60))
            assert on.effects == [f"a step-{number}" for number in range(1, 61)]
            assert settled_once(await journal(on, await on.get("counting", "a")))

    asyncio.run(story())


def test_many_that_run_are_moved_and_nothing_is_lost_or_done_twice(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            ids = [f"i{number}" for number in range(8)]
            for id_ in ids:
                await on.create("counting", id_, {"steps": 40, "pause_s": 0.05})
            await until(lambda: len(on.effects) > 20, "some steps")
            second = await deploy(on)
            done = [await migrate(on, id_, workflow="counting") for id_ in ids[:4]]
            done += await asyncio.gather(*(migrate(on, id_, workflow="counting") for id_ in ids[4:]))
            assert {one.version for one in done} == {second.id}
            hurry(on)
            for id_ in ids:
                assert await output(on, "counting", id_) == sum(range(40))
            assert sorted(on.effects) == sorted(f"{id_} step-{n}" for id_ in ids for n in range(1, 41))

    asyncio.run(story())


def test_a_step_that_takes_longer_is_not_cut_and_the_migration_says_what_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(migrations, "WAIT_S", 0.5)
    gate = tmp_path / "gate"

    async def story() -> None:
        async with shipped(tmp_path) as on:
            work = '"work", self._work, event.instance_id, event.payload["gate"], timeout="1 minute")\n'
            edit(on, work, f'{work}        await ctx.do("tidy", asyncio.sleep, 0)\n')
            first = await deploy(on)
            await on.create("gated", "g", {"gate": str(gate)})
            await until(lambda: on.effects, "the step")
            second = await deploy(on)
            with pytest.raises(WrongMove, match=r"did not come to rest within .* it runs work-1 for . s"):
                await migrate(on, "g", workflow="gated")
            assert (await on.get("gated", "g")).version == first.id
            trying = asyncio.create_task(migrate(on, "g", workflow="gated"))
            await meanwhile()
            gate.touch()
            assert (await trying).version == second.id
            assert await output(on, "gated", "g") == "one"
            assert on.effects == ["g begins", "g ends"]

    asyncio.run(story())


def test_after_a_migration_that_gave_up_the_other_branches_go_on_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(migrations, "WAIT_S", 0.3)
    gate = tmp_path / "gate"

    async def story() -> None:
        async with shipped(tmp_path) as on:
            edit(on, "        total = 0\n", PARALLEL)
            edit(on, STEP, METHODS + STEP)
            await deploy(on)
            await on.create("counting", "a", {"steps": 1, "gate": str(gate)})
            await until(lambda: len(on.effects) > 2, "some steps")
            await deploy(on)
            with pytest.raises(WrongMove, match="it runs long-1 for"):
                await migrate(on, "a", workflow="counting")
            hurry(on)
            await until(lambda: len(on.effects) == 40, "the steps beside the one that takes long")
            gate.touch()
            assert await output(on, "counting", "a") == 0

    asyncio.run(story())


def test_after_a_migration_that_was_broken_off_the_other_branches_go_on_at_once(tmp_path):
    gate = tmp_path / "gate"

    async def story() -> None:
        async with shipped(tmp_path) as on:
            edit(on, "        total = 0\n", PARALLEL)
            edit(on, STEP, METHODS + STEP)
            await deploy(on)
            await on.create("counting", "a", {"steps": 1, "gate": str(gate)})
            await until(lambda: len(on.effects) > 2, "some steps")
            await deploy(on)
            migration = asyncio.create_task(migrate(on, "a", workflow="counting"))
            await until(lambda: on.runner.admission._reservations._reserved, "the migration to wait")
            await meanwhile()
            migration.cancel()
            await asyncio.gather(migration, return_exceptions=True)
            hurry(on)
            await until(lambda: len(on.effects) == 40, "the steps beside the one that takes long")
            gate.touch()
            assert await output(on, "counting", "a") == 0

    asyncio.run(story())


def test_a_version_that_an_instance_is_being_moved_to_is_not_let_go_meanwhile(tmp_path, monkeypatch):
    monkeypatch.setattr(versions, "KEPT", 1)
    monkeypatch.setattr(versions, "NEEDED", 1)
    begins, gate = tmp_path / "begins", tmp_path / "gate"

    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            await on.create("patient", "a")
            await on.reaches("patient", "a", "waiting")
            edit(on, *NEW)
            edit(
                on,
                BEFORE,
                f"        Path({str(begins)!r}).touch()\n"
                f"        while not Path({str(gate)!r}).exists():\n"
                f"            pass\n{BEFORE}",
            )
            wanted = await upload(on)
            migration = asyncio.create_task(migrate(on, "a", wanted.id))
            await until(begins.exists, "the rehearsal to begin")
            for _ in range(3):
                await upload(on)
            gate.touch()
            assert (await migration).version == wanted.id
            for _ in range(3):
                await upload(on)
            await on.runner.send_event("patient", "a", "go", values.encode(1))
            assert await output(on, "patient", "a") == ["one", 1, "two"]
            await upload(on)
            with pytest.raises(VersionNotFound):
                await on.runner.version("shop", wanted.id)

    asyncio.run(story())


def test_one_that_runs_goes_on_where_it_is_when_the_other_version_cannot_be_loaded(tmp_path):
    closed = tmp_path / "closed"

    async def story() -> None:
        async with shipped(tmp_path) as on:
            first = await deploy(on)
            await on.create("counting", "a", {"steps": 30, "pause_s": 0.03})
            await until(lambda: on.effects, "a step")
            door = f"if Path({str(closed)!r}).exists():\n    raise RuntimeError('it is closed')\n"
            edit(on, 'VERSION = "one"\n', f'VERSION = "two"\n{door}')
            second = await upload(on)
            closed.touch()
            with pytest.raises(LoadError, match="it is closed"):
                await migrate(on, "a", second.id, workflow="counting")
            hurry(on)
            assert await output(on, "counting", "a") == sum(range(30))
            assert (await on.get("counting", "a")).version == first.id
            assert on.effects == [f"a step-{number}" for number in range(1, 31)]
            assert on.runner.rehearsals._trials == set()

    asyncio.run(story())


def test_one_whose_journal_is_too_long_to_be_tried_stays_and_that_is_said(tmp_path, monkeypatch):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            edit(on, "        return VERSION\n", "        return VERSION * 100_000\n")
            first = await deploy(on)
            await on.create("patient", "a")
            before = await on.reaches("patient", "a", "waiting")
            await deploy(on)
            with monkeypatch.context() as patched:
                patched.setattr(frames, "FRAME_BYTES", 400_000)
                refused = await migrate(on, "a")
            assert refused.verdict.failure is not None
            assert "its journal takes more than 200,000 bytes" in refused.verdict.failure.message
            assert await on.get("patient", "a") == before
            assert refused.version == first.id

    asyncio.run(story())


def test_an_instance_of_a_workflow_that_is_retired_goes_to_the_last_version_that_had_it(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            await on.create("patient", "a")
            await on.reaches("patient", "a", "waiting")
            edit(on, *NEW)
            second = await deploy(on)
            edit(on, PATIENT, "", "wflow.toml")
            third = await deploy(on)
            refused = await migrate(on, "a", third.id)
            assert refused.verdict.failure is not None
            assert "does not declare workflow 'patient'" in refused.verdict.failure.message
            assert (await migrate(on, "a")).version == second.id
            await on.runner.send_event("patient", "a", "go", values.encode(1))
            assert await output(on, "patient", "a") == ["one", 1, "two"]

    asyncio.run(story())


def test_one_that_a_person_paused_stays_paused_and_goes_on_there_when_it_is_resumed(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            await on.create("patient", "a")
            await on.reaches("patient", "a", "waiting")
            await on.runner.steer("patient", "a", "pause")
            edit(on, *NEW)
            await deploy(on)
            assert (await migrate(on, "a")).status == "paused"
            await on.runner.send_event("patient", "a", "go", values.encode(1))
            await meanwhile()
            assert await on.status("patient", "a") == "paused"
            await on.runner.steer("patient", "a", "resume")
            assert await output(on, "patient", "a") == ["one", 1, "two"]

    asyncio.run(story())


def test_one_that_diverged_goes_on_by_itself_once_it_is_on_a_version_that_it_fits(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            await on.create("patient", "a")
            waits = await on.reaches("patient", "a", "waiting")
            edit(on, *RENAMED)
            second = await deploy(on)
            seq = (await on.runner.store.load({waits.key: 0}))[waits.key].seq
            await on.runner.store.migrate(waits.key, version=second.id, seq=seq, now=on.runner.now())
            on.runner.fleet.drop(waits.key)
            await on.runner.send_event("patient", "a", "go", values.encode(1))
            await on.reaches("patient", "a", "paused")
            edit(on, *RENAMED[::-1])
            edit(on, *NEW)
            await deploy(on)
            assert (await migrate(on, "a")).verdict.clean
            assert await output(on, "patient", "a") == ["one", 1, "two"]
            assert on.effects == ["a before", "a after"]

    asyncio.run(story())


def test_what_cannot_be_migrated_is_refused_with_the_reason(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            version = await deploy(on)
            await on.create("patient", "a")
            await on.reaches("patient", "a", "waiting")
            already = await migrate(on, "a", version.id)
            assert (already.version, already.verdict.recorded) == (version.id, 0)
            assert await moves(on, await on.get("patient", "a")) == []
            with pytest.raises(VersionNotFound):
                await migrate(on, "a", "nope")
            with pytest.raises(InstanceNotFound):
                await migrate(on, "nobody")
            await on.runner.steer("patient", "a", "terminate")
            second = await deploy(on)
            with pytest.raises(InstanceEnded, match="cannot_migrate"):
                await migrate(on, "a", second.id)

    asyncio.run(story())


def test_in_a_dev_session_there_is_nothing_to_migrate_to(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("patient", "a")
            await on.reaches("patient", "a", "waiting")
            with pytest.raises(InvalidInput, match="a dev session has one version"):
                await migrate(on, "a")

    asyncio.run(story())


def test_to_try_one_changes_nothing(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            first = await deploy(on)
            await on.create("patient", "a")
            before = await on.reaches("patient", "a", "waiting")
            second = await deploy(on)
            tried = await on.runner.rehearse_one("patient", "a", second.id)
            assert (tried.version, tried.verdict.clean) == (first.id, True)
            assert await on.get("patient", "a") == before

    asyncio.run(story())


def test_two_migrations_of_one_instance_do_not_come_in_each_others_way(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            await on.create("counting", "a", {"steps": 30, "pause_s": 0.05})
            await until(lambda: on.effects, "a step")
            second = await deploy(on)
            both = await asyncio.gather(
                *(migrate(on, "a", workflow="counting") for _ in range(2)), return_exceptions=True
            )
            (refused,) = [one for one in both if isinstance(one, WrongMove)]
            assert "is being migrated already" in refused.message
            assert (await on.get("counting", "a")).version == second.id
            hurry(on)
            assert await output(on, "counting", "a") == sum(range(30))

    asyncio.run(story())


@pytest.mark.parametrize("verb", ["terminate", "pause", "cancel", "delete", "restart"])
@pytest.mark.parametrize("after_s", [0.0, 0.2])
def test_what_else_is_asked_of_an_instance_meanwhile_is_done(tmp_path, verb, after_s):
    async def ask(on: Stage) -> None:
        await asyncio.sleep(after_s)
        match verb:
            case "delete":
                await on.runner.delete("counting", ["a"])
            case "restart":
                await on.runner.restart("counting", "a")
            case _:
                await on.runner.steer("counting", "a", verb)

    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            await on.create("counting", "a", {"steps": 30, "pause_s": 0.05})
            await until(lambda: len(on.effects) > 2, "some steps")
            second = await deploy(on)
            migration, _ = await asyncio.gather(
                migrate(on, "a", workflow="counting"), ask(on), return_exceptions=True
            )
            assert not isinstance(migration, BaseException) or isinstance(
                migration, InstanceEnded | InstanceNotFound | WrongMove
            )
            hurry(on)
            match verb:
                case "delete":
                    with pytest.raises(InstanceNotFound):
                        await on.get("counting", "a")
                case "terminate" | "cancel":
                    await on.reaches("counting", "a", "terminated")
                case "pause":
                    await on.reaches("counting", "a", "paused")
                    await on.runner.steer("counting", "a", "resume")
                    assert await output(on, "counting", "a") == sum(range(30))
                    assert on.effects == [f"a step-{number}" for number in range(1, 31)]
                case _:
                    assert await output(on, "counting", "a") == sum(range(30))
                    assert (await on.get("counting", "a")).version == second.id
            assert on.runner.admission._reservations._reserved == {}
            # Its slot is free, whatever became of it.
            await until(lambda: on.runner.admission.running == 0, "all claims to be over")

    asyncio.run(story())


def test_a_runner_that_stops_in_the_middle_leaves_an_instance_that_goes_on(tmp_path):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on)
            await on.create("counting", "a", {"steps": 20, "pause_s": 0.05})
            await until(lambda: on.effects, "a step")
            await deploy(on)
            migration = asyncio.create_task(migrate(on, "a", workflow="counting"))
            await meanwhile(0.05)
        await asyncio.gather(migration, return_exceptions=True)
        hurry(on)
        async with shipped(tmp_path) as on:
            assert await output(on, "counting", "a") == sum(range(20))
            assert settled_once(await journal(on, await on.get("counting", "a")))

    asyncio.run(story())

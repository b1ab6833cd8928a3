from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from tests.runner.stage import Faulty, Stage, desk, entry, meanwhile, stage, until
from tests.stories.processes import lives
from wflow.engine import facts, values
from wflow.engine.changes import Ended, Rested, Rolling, Told
from wflow.engine.outcome import Err, Ok
from wflow.errors import LinkError, LoadError, StoreError
from wflow.link import frames
from wflow.link.channel import Channel
from wflow.runner import crew, releases
from wflow.runner import fleet as fleets
from wflow.runner.holds import claimed, held
from wflow.runner.project import VERSION
from wflow.stores.store import Batch, Pressure
from wflow.wire.types import Parent, Wanted

if TYPE_CHECKING:
    from wflow.runner.holds import Hold
    from wflow.runner.peer import Peer


async def peer_of(on: Stage) -> Peer:
    """Give the runtime at work."""
    found: Peer = await until(lambda: on.runner.fleet.current(VERSION), "a runtime")
    return found


def faulty(on: Stage) -> Faulty:
    """Put a store between the fleet and its store that fails when it is told to."""
    between = Faulty(on.runner.store)
    on.runner.fleet._store = between
    return between


async def places_are_free(on: Stage) -> None:
    """Wait for it: that an instance is over is on disk a moment before the runner hears of it."""
    await until(lambda: on.runner.admission.running == 0, "the places to be free")


def test_an_instance_is_played_to_its_end_and_its_place_is_free(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("counting", "c", {"steps": 3})
            done = await on.reaches("counting", "c", "complete")
            assert values.decode(done.output or b"") == 3
            peer = await peer_of(on)
            await places_are_free(on)
            assert not peer.holds
            assert on.effects == ["c step-1", "c step-2", "c step-3"]

    asyncio.run(story())


def test_a_runtime_that_dies_is_started_again_and_its_instances_go_on(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            await until(lambda: on.effects == ["g begins"], "the step")
            first = await peer_of(on)
            assert first.pid is not None
            os.kill(first.pid, signal.SIGKILL)
            await until(lambda: on.effects == ["g begins", "g begins"], "the step to run again")
            assert await peer_of(on) is not first
            (tmp_path / "gate").touch()
            await on.reaches("gated", "g", "complete")
            await places_are_free(on)
            told = f"the runtime (pid {first.pid}) died; its 1 instances go on in a new one"
            assert told in await on.lines()

    asyncio.run(story())


def test_each_death_in_a_row_makes_the_next_start_wait_longer_until_new_code_comes(tmp_path, monkeypatch):
    monkeypatch.setattr(crew, "BACKOFF_S", (0.0, 0.0, 600.0))

    async def story() -> None:
        async with stage(tmp_path) as on:
            fleet = on.runner.fleet
            for _ in range(2):
                peer = await fleet.peer(VERSION)
                peer.kill()
                await peer.gone()
                await until(lambda: fleet.current(VERSION) is None, "the news")
            waiting = asyncio.create_task(on.fetch("/version"))
            await meanwhile(0.05)
            assert not waiting.done()
            assert fleet._crews[VERSION]._deaths == 2
            spare = await fleet.spare(on.project)
            await spare.load(on.build())
            fleet.replace(VERSION, spare)
            assert await waiting == (200, "one"), "who waited is answered by the new code at once"
            assert await fleet.peer(VERSION) is spare

    asyncio.run(story())


def test_a_runtime_that_comes_up_when_new_code_is_there_already_gives_way(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            fleet = on.runner.fleet
            spare = await fleet.spare(on.project)
            await spare.load(on.build())
            starting = asyncio.create_task(fleet.peer(VERSION))
            await meanwhile(0.02)
            fleet.replace(VERSION, spare)
            assert await starting is spare
            assert fleet.current(VERSION) is spare
            assert fleet._crews[VERSION].everyone == [spare]

    asyncio.run(story())


def test_a_store_that_refuses_a_commit_costs_the_runtime_and_no_step(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("counting", "first", {"steps": 1})
            await on.reaches("counting", "first", "complete")
            peer = await peer_of(on)
            between = faulty(on)
            between.failures["append"] = [StoreError("the database said: database or disk is full")]
            await on.create("counting", "c", {"steps": 5})
            await on.reaches("counting", "c", "complete")
            assert not peer.alive
            assert not between.failures["append"]
            assert set(on.effects) == {"first step-1", *(f"c step-{number}" for number in range(1, 6))}
            told = "the database said: database or disk is full; the runtime is started again"
            assert told in await on.lines()

    asyncio.run(story())


def test_a_slow_store_makes_instances_slow_and_nothing_else(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("counting", "first", {"steps": 1})
            await on.reaches("counting", "first", "complete")
            faulty(on).delay_s = 0.2
            for number in range(3):
                await on.create("counting", f"c{number}", {"steps": 3})
            for number in range(3):
                await on.reaches("counting", f"c{number}", "complete")
            assert len(on.effects) == len(set(on.effects)) == 1 + 3 * 3
            await places_are_free(on)

    asyncio.run(story())


def test_a_runtime_waits_with_what_it_says_while_the_store_is_behind(tmp_path, monkeypatch):
    pauses: list[Channel[Any]] = []
    pause = Channel.pause

    def counted(own: Channel[Any]) -> None:
        pauses.append(own)
        pause(own)

    monkeypatch.setattr(Channel, "pause", counted)

    async def story() -> None:
        async with stage(tmp_path) as on:
            faulty(on).pressure = Pressure(jobs=9, bytes=9, share=1)  # type: ignore[attr-defined]
            for number in range(5):
                await on.create("counting", f"c{number}", {"steps": 20})
            for number in range(5):
                await on.reaches("counting", f"c{number}", "complete")
            assert len(pauses) >= 20
            assert len(on.effects) == len(set(on.effects)) == 5 * 20

    asyncio.run(story())


def test_what_does_not_follow_on_disk_is_refused_and_the_instance_starts_from_the_disk(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            made = await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            await until(lambda: on.effects == ["g begins"], "the step")
            claim = (await peer_of(on)).holds[made.key]
            # Somebody has written into its journal, so that what its runtime says next leaves a gap.
            line = facts.Logged("info", "hello", 1)
            last = await until(lambda: tried(on, made.key), "the attempt to be on disk")
            row = (made.key, last + 1, facts.LOGGED, 1, facts.encode(line))
            batch = Batch(claims=[(claim.key, claim.epoch)], rows=[row])
            assert (await on.runner.store.append(batch)).refused == []
            (tmp_path / "gate").touch()
            await on.reaches("gated", "g", "complete")
            assert on.effects == ["g begins", "g ends", "g begins", "g ends"]
            await places_are_free(on)

    asyncio.run(story())


async def tried(on: Stage, key: int) -> int | None:
    """Give the number of the fact that an attempt has begun, once it is on disk."""
    records = await on.runner.store.journal(key)
    return next((record.seq for record in records if record.tag == facts.TRIED), None)


def test_claims_of_a_dead_runtime_are_given_back_however_long_the_store_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(releases, "RELEASE_BACKOFF_S", (0.01,))

    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            await until(lambda: on.effects == ["g begins"], "the step")
            between = faulty(on)
            between.failures["release"] = [StoreError("busy")] * 5
            (await peer_of(on)).kill()
            await until(lambda: len(on.effects) == 2, "the step to run again")
            (tmp_path / "gate").touch()
            await on.reaches("gated", "g", "complete")

    asyncio.run(story())


def test_closing_does_not_wait_for_a_store_that_fails_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(fleets, "GOODBYE_S", 0.05)

    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            await until(lambda: on.effects == ["g begins"], "the step")
            faulty(on).failures["release"] = [StoreError("busy")] * 1_000_000
            (await peer_of(on)).kill()
            await until(lambda: on.runner.fleet.current(VERSION) is None, "the news")
        async with stage(tmp_path) as on:
            (tmp_path / "gate").touch()
            await on.reaches("gated", "g", "complete")

    asyncio.run(asyncio.wait_for(story(), 15))


def test_an_instance_that_the_runtime_has_let_go_of_is_sent_again_with_its_journal(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("patient", "p")
            found = await on.reaches("patient", "p", "waiting")
            peer = await peer_of(on)
            await until(lambda: found.key in peer.hot, "it to rest in memory")
            peer.send(frames.Drop([found.key]))
            await on.runner.send_event("patient", "p", "go", values.encode(1))
            done = await on.reaches("patient", "p", "complete")
            assert values.decode(done.output or b"") == ["one", 1, "one"]
            assert on.effects == ["p before", "p after"]

    asyncio.run(story())


def test_a_journal_that_cannot_be_read_for_a_runtime_that_waits_for_it_starts_it_anew(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("patient", "p")
            found = await on.reaches("patient", "p", "waiting")
            peer = await peer_of(on)
            await until(lambda: found.key in peer.hot, "it to rest in memory")
            faulty(on).failures["load"] = [StoreError("disk I/O error")]
            peer.send(frames.Drop([found.key]))
            await on.runner.send_event("patient", "p", "go", values.encode(1))
            await on.reaches("patient", "p", "complete")
            assert on.effects == ["p before", "p after"]

    asyncio.run(story())


def test_a_terminated_instance_is_dropped_by_its_runtime(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            await until(lambda: on.effects == ["g begins"], "the step")
            peer = await peer_of(on)
            await on.runner.steer("gated", "g", "terminate")
            assert not peer.holds
            assert on.runner.admission.running == 0
            (tmp_path / "another").touch()
            await on.create("gated", "h", {"gate": str(tmp_path / "another")})
            await on.reaches("gated", "h", "complete")
            assert on.effects == ["g begins", "h begins", "h ends"]
            assert await on.status("gated", "g") == "terminated"

    asyncio.run(story())


def test_a_deleted_instance_leaves_nothing_behind(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            made = await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            await until(lambda: on.effects == ["g begins"], "the step")
            assert await on.runner.delete("gated", ["g"]) == {"g"}
            assert on.runner.admission.running == 0
            assert await on.runner.store.find_one("gated", "g") is None
            assert await on.runner.store.journal(made.key) == []

    asyncio.run(story())


def test_a_replaced_runtime_ends_its_step_hands_over_and_goes(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            await until(lambda: on.effects == ["g begins"], "the step")
            before = await peer_of(on)
            spare = await on.runner.fleet.spare(on.project)
            await spare.load(on.build())
            on.runner.fleet.replace(VERSION, spare)
            assert on.runner.fleet.holder((await on.get("gated", "g")).key) is before
            (tmp_path / "gate").touch()
            await on.reaches("gated", "g", "complete")
            await before.gone()
            assert on.effects == ["g begins", "g ends"]

    asyncio.run(story())


def test_an_instance_moves_to_the_new_runtime_between_two_steps(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            before = await on.runner.fleet.peer(VERSION)
            spare = await on.runner.fleet.spare(on.project)
            await spare.load(on.build())
            await on.create("counting", "c", {"steps": 60})
            await until(lambda: len(on.effects) >= 5, "some steps")
            on.runner.fleet.replace(VERSION, spare)
            await before.gone()
            assert await on.status("counting", "c") in {"running", "waiting"}, "it did not stay to the end"
            await on.reaches("counting", "c", "complete")
            assert on.effects == [f"c step-{number}" for number in range(1, 61)]

    asyncio.run(story())


def test_a_step_that_outlasts_its_patience_is_cut_and_begins_again_in_the_new_runtime(tmp_path, monkeypatch):
    monkeypatch.setattr(fleets, "DRAIN_S", 0.05)

    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            await until(lambda: on.effects == ["g begins"], "the step")
            spare = await on.runner.fleet.spare(on.project)
            await spare.load(on.build())
            on.runner.fleet.replace(VERSION, spare)
            await until(lambda: on.effects == ["g begins", "g begins"], "the step in the new runtime")
            (tmp_path / "gate").touch()
            await on.reaches("gated", "g", "complete")
            assert "died" not in " ".join(await on.lines()), "it was asked to go"

    asyncio.run(story())


def test_runtimes_of_old_versions_without_work_are_ended(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            peer = await on.runner.fleet.peer(VERSION)
            on.runner.fleet.retire_idle([VERSION])
            assert peer.alive
            on.runner.fleet.retire_idle(["another"])
            await peer.gone()
            assert on.runner.fleet.current(VERSION) is None

    asyncio.run(story())


def test_code_that_cannot_be_loaded_is_no_runtime_and_leaves_no_process(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            (on.project / "src" / "worker.py").write_text("import nothing_of_that_name\n")
            with pytest.raises(LoadError, match="nothing_of_that_name"):
                await on.runner.fleet.peer(VERSION)
            assert on.runner.fleet.current(VERSION) is None

    asyncio.run(story())


def test_closing_ends_every_process_spare_and_starting_ones_too(tmp_path):
    async def story() -> list[int]:
        pids: list[Any] = []
        async with stage(tmp_path) as on:
            fleet = on.runner.fleet
            pids += [(await fleet.peer(VERSION)).pid, (await fleet.spare(on.project)).pid]
            spare = await fleet.spare(on.project)
            pids.append(spare.pid)
            await spare.load(on.build())
            fleet.replace(VERSION, spare)
            assert all(lives(pid) for pid in pids[1:])
        with pytest.raises(LinkError, match="the runner is stopping"):
            await fleet.peer("another")
        return pids

    pids = asyncio.run(story())
    assert not any(map(lives, pids))


def test_a_binding_call_that_breaks_is_told_to_user_code_and_the_runner_goes_on(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            between = faulty(on)
            control = on.runner.fleet._control
            real, control._store = control._store, between  # type: ignore[attr-defined]
            between.failures["create"] = [RuntimeError("a bug"), StoreError("disk I/O error")]
            first = await on.fetch("/counting", "POST", b'{"steps": 1}')
            second = await on.fetch("/counting", "POST", b'{"steps": 1}')
            control._store = real  # type: ignore[attr-defined]
            assert [first[0], second[0]] == [500, 500]
            assert (await on.fetch("/counting", "POST", b'{"steps": 1}'))[0] == 201
            assert "COUNTING.create failed: RuntimeError('a bug')" in await on.lines()

    asyncio.run(story())


def test_a_runtime_is_heard_on_the_instances_that_it_holds_and_on_no_other(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            mine = await on.create("gated", "mine", {"gate": str(tmp_path / "gate")})
            await until(lambda: on.effects == ["mine begins"], "the step")
            peer = await peer_of(on)
            other = await on.create("counting", "other", {"steps": 1})
            await on.reaches("counting", "other", "complete")
            for key, epoch in ((other.key, 1), (mine.key, 7)):
                forged = facts.encode(facts.Logged("info", "forged", 1))
                row = (key, 99, facts.LOGGED, 1, forged)
                ended = Ended(key, 1, "terminated")
                on.runner.fleet.heard(peer, frames.Commit(9_999, [(key, epoch)], [row], [ended], []))
            (tmp_path / "gate").touch()
            await on.reaches("gated", "mine", "complete")
            assert await on.status("counting", "other") == "complete"
            assert "forged" not in await on.lines()
            assert on.effects.count("mine ends") == 1

    asyncio.run(story())


# -- deaths, and what is no death ------------------------------------------------------------------------


async def began_again(on: Stage, times: int = 2) -> Hold:
    """Wait until the gated step began so often; give the claim under which it runs now."""
    await until(lambda: on.effects == ["g begins"] * times, "the step to run again")
    claim: Hold = (await peer_of(on)).holds[(await on.get("gated", "g")).key]
    return claim


def test_a_runtime_that_dies_of_itself_is_told_to_the_next_holder(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            assert not (await began_again(on, 1)).died
            pid = (await peer_of(on)).pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            assert (await began_again(on)).died

    asyncio.run(story())


@pytest.mark.parametrize("how", ["a store that fails", "patience that ends"])
def test_a_runtime_that_the_runner_ends_is_nobodys_death(tmp_path, monkeypatch, how):
    monkeypatch.setattr(fleets, "DRAIN_S", 0.05)

    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            await began_again(on, 1)
            if how == "a store that fails":
                await until(lambda: tried(on, 1), "the attempt to be on disk")
                faulty(on).failures["append"] = [StoreError("database or disk is full")]
                await on.create("counting", "c", {"steps": 1})
            else:
                spare = await on.runner.fleet.spare(on.project)
                await spare.load(on.build())
                on.runner.fleet.replace(VERSION, spare)
            await until(lambda: on.effects.count("g begins") == 2, "the step to run again")
            claim = (await peer_of(on)).holds[(await on.get("gated", "g")).key]
            assert not claim.died

    asyncio.run(story())


def test_a_runner_that_stops_in_order_gives_back_what_it_plays_as_nobodys_death(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            await began_again(on, 1)
        async with stage(tmp_path) as on:
            assert not (await began_again(on)).died

    asyncio.run(story())


# -- claims that go on -----------------------------------------------------------------------------------


def test_what_an_instance_tells_of_itself_ends_no_claim(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            made = await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            claim = await began_again(on, 1)
            peer = await peer_of(on)
            told = Told(made.key, 1, values.encode({"progress": 0.5, "state": "packing"}), ["fragile"])
            commit = frames.Commit(9_999, [(made.key, claim.epoch)], [], [told, Rolling(made.key, 1)], [])
            on.runner.fleet.heard(peer, commit)
            found = await on.reaches("gated", "g", "rollingBack")
            assert (values.decode(found.shown or b""), found.tags) == (
                {"progress": 0.5, "state": "packing"},
                ("fragile",),
            )
            assert made.key in peer.holds
            assert on.runner.admission.running == 1

    asyncio.run(story())


def test_a_steered_instance_that_is_sent_anew_is_sent_as_it_was_steered(tmp_path, monkeypatch):
    async def story() -> None:
        async with stage(tmp_path) as on:
            made = await on.create("gated", "g", {"gate": str(tmp_path / "gate")})
            await began_again(on, 1)
            peer = await peer_of(on)
            said: list[frames.ToRuntime] = []
            monkeypatch.setattr(peer, "send", said.append)
            await on.runner.steer("gated", "g", "pause")
            on.runner.fleet.heard(peer, frames.Missing([made.key]))
            play = await until(lambda: next((m for m in said if isinstance(m, frames.Play)), None), "it")
            assert [m for m in said if isinstance(m, frames.Steer)] == [frames.Steer(made.key, True)]
            assert [turn.pausing for turn in play.turns] == [True]

    asyncio.run(story())


def test_what_a_runtime_has_in_memory_is_forgotten_when_it_is_restarted(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            await on.create("patient", "p")
            found = await on.reaches("patient", "p", "waiting")
            peer = await peer_of(on)
            await until(lambda: found.key in peer.hot, "it to rest in memory")
            await on.runner.restart("patient", "p")
            assert found.key not in peer.hot
            await until(lambda: on.effects == ["p before", "p before"], "it to begin anew")
            await on.runner.send_event("patient", "p", "go", values.encode(1))
            await on.reaches("patient", "p", "complete")

    asyncio.run(story())


def test_an_event_that_a_commit_makes_for_another_instance_is_handed_to_its_holder(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            parent = await on.create("patient", "p")
            await on.reaches("patient", "p", "waiting")
            child = Wanted(
                id="c",
                params=values.encode({"steps": 1}),
                parent=Parent(key=parent.key, awaited="go", follows=False),
            )
            await on.runner.create("counting", [child], trigger="binding")
            done = await on.reaches("patient", "p", "complete")
            output: Any = values.decode(done.output or b"")
            assert msgspec.msgpack.decode(output[1], type=Ok | Err) == Ok(values.encode(0))

    asyncio.run(story())


# -- several runtimes of a version -----------------------------------------------------------------------


async def busy(on: Stage, *ids: str) -> list[Peer]:
    """Create instances that stay in a step; give who plays which."""
    made = [await on.create("counting", id_, {"steps": 1, "pause_s": 600}) for id_ in ids]
    await until(lambda: {f"{id_} step-1" for id_ in ids} <= set(on.effects), "the steps")
    found = [on.runner.fleet.holder(one.key) for one in made]
    assert all(peer is not None and one.key in peer.holds for peer, one in zip(found, made, strict=True))
    return [peer for peer in found if peer is not None]


async def two(on: Stage) -> list[Peer]:
    """Have two runtimes, with an instance each; what `a` and `b` do takes longer than any test."""
    fleet = on.runner.fleet
    first = await fleet.peer(VERSION)
    fleet._crews[VERSION].reinforce(2)
    await until(lambda: fleet.strength(VERSION) == 2, "the other one")
    assert await busy(on, "a", "b") == fleet._crews[VERSION].members
    assert fleet.current(VERSION) is first
    return fleet._crews[VERSION].members[:]


def test_a_second_instance_brings_a_second_runtime_up_and_the_third_goes_there(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, processes=2) as on:
            fleet = on.runner.fleet
            (first,) = set(await busy(on, "a"))
            assert fleet.strength(VERSION) == 1
            assert await busy(on, "b") == [first], "nobody waits for the other one to come up"
            await until(lambda: fleet.strength(VERSION) == 2, "the other one")
            (second,) = await busy(on, "c")
            assert second.pid != first.pid
            assert await busy(on, "d") == [second], "it has one, and the first has two"
            await on.runner.steer("counting", "a", "terminate")
            await on.runner.steer("counting", "b", "terminate")
            assert await busy(on, "e") == [first]
            assert fleet.holder((await on.get("counting", "a")).key) is None

    asyncio.run(story())


def test_the_death_of_one_takes_back_what_it_had_and_nothing_of_the_others(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, processes=2) as on:
            first, second = await two(on)
            assert second.pid is not None
            os.kill(second.pid, signal.SIGKILL)
            await until(lambda: on.effects.count("b step-1") == 2, "its instance to run again")
            assert on.effects.count("a step-1") == 1
            assert "a" in {claim.id for claim in first.holds.values()}
            told = f"the runtime (pid {second.pid}) died; its 1 instances go on in another one"
            assert told in await on.lines()
            await until(lambda: on.runner.fleet.strength(VERSION) == 2, "another one")

    asyncio.run(story())


def overheard(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> list[frames.ToRuntime]:
    """Note from now on what a runtime is told."""
    said: list[frames.ToRuntime] = []
    send = peer.send

    def noted(message: frames.ToRuntime) -> None:
        said.append(message)
        send(message)

    monkeypatch.setattr(peer, "send", noted)
    return said


def test_what_rests_in_the_memory_of_one_goes_on_there(tmp_path, monkeypatch):
    async def story() -> None:
        async with stage(tmp_path, processes=2) as on:
            _, second = await two(on)
            await on.runner.steer("counting", "b", "terminate")
            await on.create("patient", "p")
            found = await on.reaches("patient", "p", "waiting")
            await until(lambda: found.key in second.hot, "it to rest in memory")
            for id_ in ("c", "d", "e"):
                await busy(on, id_)
            said = overheard(second, monkeypatch)
            await on.runner.send_event("patient", "p", "go", values.encode(1))
            await on.reaches("patient", "p", "complete")
            (turn,) = [turn for one in said if isinstance(one, frames.Play) for turn in one.turns]
            assert (turn.id, turn.records) == ("p", None)
            assert on.effects.count("p before") == on.effects.count("p after") == 1

    asyncio.run(story())


def test_requests_go_to_whoever_has_the_least_to_do_and_bring_more_up(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, processes=2) as on:
            fleet = on.runner.fleet
            slow = [asyncio.create_task(on.fetch("/slow?seconds=600")) for _ in range(2)]
            await until(lambda: fleet.strength(VERSION) == 2, "the other one")
            first, second = fleet._crews[VERSION].members
            slow += [asyncio.create_task(on.fetch("/slow?seconds=600")) for _ in range(4)]
            await until(lambda: first.work + second.work == 6, "them to be under way")
            assert (first.work, second.work) == (3, 3)
            for one in slow:
                one.cancel()
            await asyncio.gather(*slow, return_exceptions=True)
            assert (first.work, second.work) == (0, 0)

    asyncio.run(story())


def test_new_code_takes_the_place_of_all_and_what_they_play_goes_on_in_the_new_ones(tmp_path):
    async def story() -> None:
        async with stage(tmp_path, processes=2) as on:
            before = await two(on)
            for id_ in "xy":
                await on.create("counting", id_, {"steps": 200, "pause_s": 0.005})
            await until(lambda: {"x step-3", "y step-3"} <= set(on.effects), "some steps")
            spare = await on.runner.fleet.spare(on.project)
            await spare.load(on.build())
            fleet = on.runner.fleet
            fleet.replace(VERSION, spare)
            assert fleet.current(VERSION) is spare, "it answers at once"
            assert await on.fetch("/version") == (200, "one")
            for id_ in "ab":  # they would hold those before for as long as these may take
                await on.runner.steer("counting", id_, "terminate")
            for peer in before:
                await peer.gone()
            assert fleet.strength(VERSION) == 2
            for id_ in "xy":
                await on.reaches("counting", id_, "complete")
                steps = [line for line in on.effects if line.startswith(f"{id_} ")]
                assert steps == [f"{id_} step-{number}" for number in range(1, 201)]

    asyncio.run(story())


def test_closing_ends_all_of_a_crew_and_those_on_their_way(tmp_path):
    async def story() -> list[int]:
        pids: list[Any] = []
        async with stage(tmp_path, processes=4) as on:
            await two_at_least(on)
            pids += [peer.pid for peer in on.runner.fleet._everyone()]
        return pids

    async def two_at_least(on: Stage) -> None:
        fleet = on.runner.fleet
        await fleet.peer(VERSION)
        fleet._crews[VERSION].reinforce(2)
        await until(lambda: fleet.strength(VERSION) == 2, "the other one")
        fleet._crews[VERSION].reinforce(4)
        assert len(fleet._crews[VERSION].starting) == 2

    pids = asyncio.run(story())
    assert len(pids) == 2
    assert not any(map(lives, pids))


def test_whoever_had_an_instance_that_is_claimed_anew_has_it_no_longer(tmp_path, monkeypatch):
    async def story() -> None:
        async with stage(tmp_path, processes=2) as on:
            first, second = await two(on)
            made = await on.get("counting", "a")
            key = made.key
            later = msgspec.structs.replace(first.holds[key], epoch=first.holds[key].epoch + 1)
            past = (await on.runner.store.load({key: 0}))[key]
            said = overheard(first, monkeypatch)
            on.runner.fleet.hold(second, claimed(later, made, past))
            assert key not in first.holds
            assert on.runner.fleet.holder(key) is second
            assert said == [frames.Drop([key])]
            assert on.runner.admission.running == 2, (
                "an instance that runs is one, however often it was claimed"
            )

    asyncio.run(story())


def test_whoever_waits_for_room_hears_of_one_more_runtime(tmp_path, monkeypatch):
    async def story() -> None:
        async with stage(tmp_path, processes=2) as on:
            fleet, admission, woken = on.runner.fleet, on.runner.admission, set[str | None]()
            await fleet.peer(VERSION)
            wake = admission.wake

            def noted(workflow: str | None = None) -> None:
                woken.add(workflow)
                wake(workflow)

            monkeypatch.setattr(admission, "wake", noted)
            fleet._crews[VERSION].reinforce(2)
            await until(lambda: fleet.strength(VERSION) == 2, "the other one")
            assert {"counting", "gated", "patient"} <= woken

    asyncio.run(story())


@pytest.mark.parametrize("what", ["cancel", "event"])
def test_an_instance_that_goes_to_sleep_as_something_comes_for_it_is_handed_out_at_once(tmp_path, what):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            peer = await on.held("a")
            await meanwhile(0.02)  # it is known by then that nobody rests
            claim, far = on.claim_of("a"), on.control.at + 86_400_000
            if what == "cancel":
                await on.control.steer("orders", "a", "cancel")
            else:
                await on.control.send_event("orders", "a", "paid", values.NONE)
            assert len(peer.heard(frames.Deliver)) == 1
            # What the runtime has said by then is that it rests.
            rested = Rested(claim.key, on.control.at, far, [] if what == "cancel" else ["paid"])
            commit = frames.Commit(1, [(claim.key, claim.epoch)], [], [rested], [])
            assert on.fleet.real is not None
            await on.fleet.real._commit(peer, commit)  # type: ignore[arg-type]
            await until(lambda: on.fleet.turns == ["a", "a"], "it to be handed out again")

    asyncio.run(story())


def test_an_instance_that_rests_with_nothing_for_it_costs_no_look_at_the_store(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders"))
            peer = await on.held("a")
            await meanwhile(0.02)  # it is known by then that nobody rests
            claim, far = on.claim_of("a"), on.control.at + 86_400_000
            on.store.calls.clear()  # type: ignore[attr-defined]
            rested = Rested(claim.key, on.control.at, far, ["paid"])
            commit = frames.Commit(1, [(claim.key, claim.epoch)], [], [rested], [])
            assert on.fleet.real is not None
            await on.fleet.real._commit(peer, commit)  # type: ignore[arg-type]
            await meanwhile(0.05)
            assert "claim" not in on.store.calls  # type: ignore[attr-defined]

    asyncio.run(story())


def test_an_event_that_comes_while_a_journal_is_read_anew_is_heard_by_whoever_asked_for_it(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            peer = await on.held("a")
            fleet, key = on.fleet.real, on.claim_of("a").key
            assert fleet is not None
            peer.holds[key] = held(on.claim_of("a"))  # type: ignore[assignment]
            between: Any = Faulty(on.store)
            fleet._store = between

            async def load(after: dict[int, int]) -> Any:
                past = await on.store.load(after)
                await on.control.send_event("orders", "a", "paid", values.NONE)
                return past

            between.load = load
            await fleet._resend(peer, [key])  # type: ignore[arg-type]
            (again,) = [n for n, one in enumerate(peer.said) if isinstance(one, frames.Play) and n]
            await until(
                lambda: any(isinstance(one, frames.Deliver) for one in peer.said[again:]), "the event"
            )

    asyncio.run(story())

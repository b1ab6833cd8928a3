from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from msgspec.structs import replace

from tests.runner.stage import Faulty, desk, entry, meanwhile, until
from wflow.bundle.manifest import Admission as Rules
from wflow.engine import facts, names, status, values
from wflow.engine.changes import Ended, Held, Rested, Rolling
from wflow.engine.divergence import Divergence, Point
from wflow.engine.facts import Moved, Settled
from wflow.engine.outcome import Err, Failure, Ok
from wflow.engine.requests import CANCEL, ROLL_BACK
from wflow.errors import (
    InstanceEnded,
    InstanceNotFound,
    InvalidInput,
    StoreError,
    TooMany,
    WorkflowNotFound,
    WrongMove,
)
from wflow.link import frames
from wflow.stores.store import Batch
from wflow.wire.types import Parent, Start, Wanted

if TYPE_CHECKING:
    from tests.runner.stage import Desk
    from wflow.engine.changes import Change
    from wflow.engine.facts import Fact

DAY_MS = 86_400_000
OVER = r"^\(instance.cannot_terminate\) Cannot terminate instance since its on a finite state$"


async def say(on: Desk, id_: str, *told: Fact, change: Change | None = None) -> None:
    """Let an instance say something, as its runtime would."""
    claim = on.claim_of(id_)
    end = (await on.store.journal(claim.key))[-1:]
    seq = end[0].seq + 1 if end else 1
    rows = [(claim.key, n, facts.tag(one), one.at, facts.encode(one)) for n, one in enumerate(told, seq)]
    batch = Batch(claims=[(claim.key, claim.epoch)], rows=rows, changes=[] if change is None else [change])
    assert (await on.store.append(batch)).refused == []


async def statuses(on: Desk, id_: str) -> list[str]:
    """Give what an instance's journal tells of its status."""
    told = [facts.decode(record.body) for record in await on.store.journal((await on.get("orders", id_)).key)]
    return [fact.status for fact in told if isinstance(fact, Moved)]


def test_an_instance_without_an_id_gets_a_long_random_one_and_the_current_version(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"), version="v7")
            made = await on.control.create("orders", [Wanted(), Wanted()], trigger="binding")
            assert len({one.id for one in made}) == 2
            assert all(len(one.id) == 32 and one.created and one.version == "v7" for one in made)
            assert (await on.get("orders", made[0].id)).trigger == "binding"

    asyncio.run(story())


def test_ids_that_nobody_chose_are_all_different_and_begin_with_the_time(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            made = []
            for _ in range(3):
                made += await on.control.create("orders", [Wanted()] * 50, trigger="api")
            ids = [one.id for one in made]
            assert {len(id_) for id_ in ids} == {32}
            assert len({id_[12:] for id_ in ids}) == 150
            times = [int(id_[:12], 16) for id_ in ids]
            assert times == sorted(times)
            assert abs(times[0] - on.control.now()) < 60_000
            assert len({(await on.get("orders", id_)).seed for id_ in ids}) == 150

    asyncio.run(story())


def test_an_id_that_breaks_the_rule_creates_nothing_of_its_batch(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            with pytest.raises(InvalidInput):
                await on.control.create("orders", [Wanted(id="fine"), Wanted(id="not fine")], trigger="api")
            assert await on.store.find("orders") == []

    asyncio.run(story())


def test_an_id_that_exists_is_left_alone(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            first = Wanted(id="a", params=values.encode(1))
            made = await on.control.create("orders", [first], trigger="api")
            again = await on.control.create("orders", [Wanted(id="a"), Wanted(id="b")], trigger="api")
            assert [one.created for one in (*made, *again)] == [True, False, True]
            assert values.decode((await on.get("orders", "a")).params) == 1

    asyncio.run(story())


def test_a_retired_workflow_shows_its_instances_takes_events_for_them_and_no_new_ones(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a")
            on.declare(version="v2")
            assert (await on.control.get("orders", "a")).version == "v1"
            await on.control.send_event("orders", "a", "paid", values.NONE)
            with pytest.raises(WorkflowNotFound, match="no longer declares"):
                await on.control.create("orders", [Wanted(id="b")], trigger="api")

    asyncio.run(story())


def test_what_is_not_there_cannot_be_asked_for(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            with pytest.raises(WorkflowNotFound):
                await on.control.get("returns", "a")
            with pytest.raises(InstanceNotFound):
                await on.control.get("orders", "a")
            with pytest.raises(InstanceNotFound):
                await on.control.send_event("orders", "a", "paid", values.NONE)
            await on.create("orders", "a")
            with pytest.raises(InvalidInput):
                await on.control.send_event("orders", "a", "no type", values.NONE)
            told = "they can be told to pause, resume, accept, terminate, cancel, rollBack"
            with pytest.raises(InvalidInput, match=told):
                await on.control.steer("orders", "a", "dance")

    asyncio.run(story())


def test_a_flood_of_events_meets_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(names, "EVENTS_BUFFERED", 50)

    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a")
            sends = (
                on.control.send_event("orders", "a", "paid", values.NONE)
                for _ in range(names.EVENTS_BUFFERED + 1)
            )
            refused = await asyncio.gather(*sends, return_exceptions=True)
            assert [type(one) for one in refused if one is not None] == [TooMany]

    asyncio.run(story())


def test_a_full_queue_refuses_the_next_and_keeps_those_it_has(tmp_path, monkeypatch):
    monkeypatch.setattr(names, "QUEUED", 3)

    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a", "b", "c")
            with pytest.raises(TooMany):
                await on.create("orders", "d")
            assert len(await on.store.find("orders")) == 3

    asyncio.run(story())


# -- what a new instance has -----------------------------------------------------------------------------


def test_what_an_instance_is_kept_for_is_its_own_or_its_workflows_or_seven_days(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", success_retention_ms=0, error_retention_ms=5_000), entry("returns"))
            orders = [Wanted(id="a"), Wanted(id="b", success_retention_ms=7, error_retention_ms=9)]
            await on.control.create("orders", orders, trigger="api")
            await on.control.create("returns", [Wanted(id="a")], trigger="api")
            kept = [
                ("orders", "a", 0, 5_000),
                ("orders", "b", 7, 9),
                ("returns", "a", 7 * DAY_MS, 7 * DAY_MS),
            ]
            for workflow, id_, success_ms, error_ms in kept:
                terminated = await on.control.steer(workflow, id_, "terminate")
                assert terminated.expires_at == on.control.at + error_ms
                assert (await on.control.restart(workflow, id_)).expires_at is None
                (claim,) = await on.store.claim({workflow: 1}, owner="test", now=on.control.at)
                await on.change(claim, Ended(claim.key, on.control.at, "complete", values.NONE))
                assert (await on.get(workflow, id_)).expires_at == on.control.at + success_ms

    asyncio.run(story())


def test_each_instance_has_a_seed_of_its_own_and_the_tags_that_it_was_given(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            wanted = [Wanted(id="a", tags=("eu", "big")), Wanted(id="b")]
            await on.control.create("orders", wanted, trigger="api")
            claims = await on.store.claim({"orders": 2}, owner="test", now=on.control.at)
            assert len({claim.seed for claim in claims}) == 2
            assert {len(claim.seed) for claim in claims} == {16}
            assert sorted((await on.get("orders", "a")).tags) == ["big", "eu"]
            assert (await on.get("orders", "b")).tags == ()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (Wanted(tags=("",)), "a tag is 1-64 characters"),
        (Wanted(tags=tuple(map(str, range(11)))), "at most 10 tags, not 11"),
        (Wanted(success_retention_ms=-1), "a retention is 0 to 365 days"),
        (Wanted(error_retention_ms=365 * DAY_MS + 1), "a retention is 0 to 365 days"),
    ],
)
def test_what_breaks_a_rule_creates_nothing_of_its_batch(tmp_path, wrong, told):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            with pytest.raises(InvalidInput, match=told):
                await on.control.create("orders", [Wanted(id="fine"), wrong], trigger="api")
            assert await on.store.find("orders") == []

    asyncio.run(story())


# -- pause and resume ------------------------------------------------------------------------------------


def test_a_queued_instance_is_paused_at_once_and_runs_when_it_is_resumed(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            on.attach()
            await on.create("orders", "a")
            assert (await on.control.steer("orders", "a", "pause")).status == "paused"
            on.start()
            await meanwhile(0.02)
            assert on.fleet.turns == []
            assert (await on.control.steer("orders", "a", "resume")).status == "queued"
            await until(lambda: on.fleet.turns == ["a"], "the instance")
            assert await statuses(on, "a") == ["paused", "queued"]

    asyncio.run(story())


def test_a_running_instance_is_told_to_pause_and_to_go_on_and_keeps_its_place(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            peer = await on.held("a")
            key = (await on.get("orders", "a")).key
            assert (await on.control.steer("orders", "a", "pause")).status == "waitingForPause"
            assert peer.holds[key].pausing
            assert (await on.control.steer("orders", "a", "resume")).status == "running"
            assert not peer.holds[key].pausing
            assert peer.heard(frames.Steer) == [frames.Steer(key, True), frames.Steer(key, False)]
            assert on.admission.running == 1
            assert await statuses(on, "a") == [], "its runtime tells of it"

    asyncio.run(story())


@pytest.mark.parametrize("verbs", [["pause"], ["pause", "resume"], ["pause", "resume", "pause"]])
def test_a_pause_that_comes_while_an_instance_is_on_its_way_arrives_with_it(tmp_path, verbs):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            on.attach()
            await on.create("orders", "a")
            on.fleet.ready.clear()
            on.start()
            await until(lambda: on.fleet.asked, "the claim")
            for verb in verbs:
                await on.control.steer("orders", "a", verb)
            on.fleet.ready.set()
            await until(lambda: on.fleet.turns == ["a"], "the instance")
            pausing = verbs[-1] == "pause"
            (turn,) = on.fleet.peers["v1"].turns
            assert (turn.pausing, on.claim_of("a").pausing) == (pausing, pausing)

    asyncio.run(story())


def test_a_pause_that_comes_while_a_journal_is_read_arrives_with_it(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders"))
            on.attach()
            await on.create("orders", "a")
            await on.control.send_event("orders", "a", "paid", values.NONE)
            on.store.delays_s["load"] = 0.05  # type: ignore[attr-defined]
            on.start()
            await until(lambda: "load" in on.store.calls, "the journal to be read")  # type: ignore[attr-defined]
            await on.control.steer("orders", "a", "pause")
            await until(lambda: on.fleet.turns == ["a"], "the instance")
            assert on.fleet.peers["v1"].turns[0].pausing

    asyncio.run(story())


def test_what_rests_is_paused_at_once_and_forgotten_by_its_runtime(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            peer = await on.held("a")
            claim = on.claim_of("a")
            await on.change(claim, Rested(claim.key, on.control.at, on.control.at + DAY_MS, ["paid"]))
            del peer.holds[claim.key]
            peer.hot.add(claim.key)
            assert (await on.control.steer("orders", "a", "pause")).status == "paused"
            assert peer.said[-1] == frames.Drop([claim.key])
            assert not peer.hot

    asyncio.run(story())


def held_for(cause: str, recorded: Point | None) -> tuple[Moved, Held]:
    """Make what a runtime says when code and journal contradict each other."""
    divergence = msgspec.to_builtins(Divergence(cause=cause, guess="so it seems", recorded=recorded, order=4))
    failure = Failure("NonDeterminismError", "they do not fit")
    moved = Moved(status.PAUSED, 9, failure=failure, detail={"divergence": divergence})
    return moved, Held(0, 9, failure)


CHARGE = Point(key="charge-1", kind="do")


def test_an_instance_that_is_held_goes_on_with_what_it_is_held_for(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.held("a")
            moved, held = held_for("removed", CHARGE)
            await say(
                on, "a", Moved("running", 1), moved, change=replace(held, instance=on.claim_of("a").key)
            )
            assert (await on.control.steer("orders", "a", "accept")).status == "queued"
            key = (await on.get("orders", "a")).key
            last = facts.decode((await on.store.journal(key))[-1].body)
            assert isinstance(last, Moved)
            assert (last.status, last.detail) == (status.QUEUED, {"accepted": {"charge-1": 4}})

    asyncio.run(story())


@pytest.mark.parametrize(
    ("cause", "recorded", "said", "hint"),
    [
        (
            "kind",
            CHARGE,
            "step 'charge-1' is recorded as do",
            "--from-step-name 'charge' --from-step-count 1",
        ),
        ("removed", None, "is not held for a contradiction", "without `accept`"),
    ],
)
def test_what_cannot_be_accepted_is_refused(tmp_path, cause, recorded, said, hint):  # noqa: PLR0917 - a table
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.held("a")
            moved, held = held_for(cause, recorded)
            await say(on, "a", moved, change=replace(held, instance=on.claim_of("a").key))
            with pytest.raises(WrongMove, match=said) as refused:
                await on.control.steer("orders", "a", "accept")
            assert hint in str(refused.value.hint)
            assert (await on.get("orders", "a")).status == status.PAUSED

    asyncio.run(story())


def test_nothing_is_accepted_of_an_instance_that_somebody_paused_or_that_runs(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a")
            for before in ("queued", "paused"):
                assert (await on.get("orders", "a")).status == before
                with pytest.raises(WrongMove, match="is not held for a contradiction"):
                    await on.control.steer("orders", "a", "accept")
                await on.control.steer("orders", "a", "pause")

    asyncio.run(story())


def test_a_pause_or_a_resume_that_does_not_apply_changes_nothing(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            peer = await on.held("a", "over")
            said = len(peer.said)
            assert (await on.control.steer("orders", "a", "resume")).status == "running"
            await on.change(on.claim_of("over"), Ended(on.claim_of("over").key, 1, "complete", values.NONE))
            for verb in ("pause", "resume"):
                assert (await on.control.steer("orders", "over", verb)).status == "complete"
            await say(on, "a", change=Rolling(on.claim_of("a").key, on.control.at))
            for verb in ("pause", "resume"):
                assert (await on.control.steer("orders", "a", verb)).status == "rollingBack"
            assert len(peer.said) == said
            with pytest.raises(InstanceNotFound):
                await on.control.steer("orders", "nobody", "pause")

    asyncio.run(story())


# -- terminate, cancel, roll back ------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["terminate", "cancel", "rollBack"])
def test_what_is_over_cannot_be_ended_and_says_so_in_cloudflares_words(tmp_path, verb):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a")
            await on.control.steer("orders", "a", "terminate")
            with pytest.raises(InstanceEnded, match=OVER):
                await on.control.steer("orders", "a", verb)

    asyncio.run(story())


@pytest.mark.parametrize("verb", ["cancel", "rollBack"])
@pytest.mark.parametrize("paused", [False, True])
def test_an_instance_that_never_began_has_nothing_to_put_in_order(tmp_path, verb, paused):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            on.attach()
            await on.create("orders", "a")
            if paused:
                await on.control.steer("orders", "a", "pause")
            assert (await on.control.steer("orders", "a", verb)).status == "terminated"

    asyncio.run(story())


@pytest.mark.parametrize(("verb", "request_"), [("cancel", CANCEL), ("rollBack", ROLL_BACK)])
def test_a_running_instance_is_asked_once_however_often_it_is_told(tmp_path, verb, request_):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            peer = await on.held("a")
            for _ in range(2):
                assert (await on.control.steer("orders", "a", verb)).status == "running"
            asked = {message.event for message in peer.heard(frames.Deliver)}
            assert [one.type for one in asked] == [request_]
            key = (await on.get("orders", "a")).key
            events = (await on.store.load({key: 0}))[key].events
            assert [(one.type, one.event) for one in events] == [(one.type, one.event) for one in asked]

    asyncio.run(story())


@pytest.mark.parametrize("paused", [False, True])
def test_an_instance_at_rest_wakes_to_what_it_is_asked(tmp_path, paused):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            peer = await on.held("a")
            claim = on.claim_of("a")
            await on.change(claim, Rested(claim.key, on.control.at, on.control.at + DAY_MS, ["paid"]))
            del peer.holds[claim.key]
            if paused:
                await on.control.steer("orders", "a", "pause")
            await on.control.steer("orders", "a", "cancel")
            await until(lambda: on.fleet.turns == ["a", "a"], "the next turn")
            assert [event.type for event in peer.turns[-1].events] == [CANCEL]

    asyncio.run(story())


def test_an_instance_does_not_begin_while_it_is_being_cancelled(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders"))
            on.attach()
            await on.create("orders", "a")
            on.store.delays_s["move"] = 0.1  # type: ignore[attr-defined]
            cancelling = asyncio.create_task(on.control.steer("orders", "a", "cancel"))
            await until(lambda: "move" in on.store.calls, "the cancellation")  # type: ignore[attr-defined]
            on.start()
            assert (await cancelling).status == "terminated"
            await meanwhile(0.02)
            assert on.fleet.turns == []

    asyncio.run(story())


def test_an_instance_that_begins_while_it_is_cancelled_is_asked_and_not_cut_off(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders"))
            on.attach()
            await on.create("orders", "a")
            on.store.delay_s = 0.05  # type: ignore[attr-defined]
            on.fleet.ready.clear()
            on.start()
            await until(lambda: "claim" in on.store.calls, "the claim to be on its way")  # type: ignore[attr-defined]
            assert (await on.control.steer("orders", "a", "cancel")).status == "running"
            on.fleet.ready.set()
            await until(lambda: on.fleet.turns == ["a"], "the instance")
            (told,) = on.fleet.peers["v1"].heard(frames.Deliver)
            assert told.event.type == CANCEL

    asyncio.run(story())


# -- children --------------------------------------------------------------------------------------------


def child_of(on: Desk, id_: str, *, follows: bool = True) -> Wanted:
    return Wanted(id="child", parent=Parent(key=on.claim_of(id_).key, awaited=".child-b", follows=follows))


@pytest.mark.parametrize("how", ["terminate", "delete"])
def test_a_parent_that_runs_hears_how_its_child_ended(tmp_path, how):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"), entry("returns"))
            peer = await on.held("a")
            await on.control.create("returns", [child_of(on, "a")], trigger="binding")
            assert (await on.control.get("returns", "child")).parent == on.claim_of("a").key
            if how == "delete":
                await on.control.delete("returns", ["child"])
            else:
                await on.control.steer("returns", "child", "terminate")
            (told,) = peer.heard(frames.Deliver)
            assert (told.instance, told.event.type) == (on.claim_of("a").key, ".child-b")
            raw: Any = values.decode(told.event.payload)
            assert isinstance(msgspec.msgpack.decode(raw, type=Ok | Err), Err)

    asyncio.run(story())


@pytest.mark.parametrize("how", ["terminate", "restart", "delete"])
def test_a_child_is_asked_to_cancel_when_its_parent_ends_and_it_follows(tmp_path, how):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            peer = await on.held("a")
            await on.control.create("orders", [child_of(on, "a")], trigger="binding")
            await until(lambda: on.fleet.turns == ["a", "child"], "the child")
            match how:
                case "restart":
                    await on.control.restart("orders", "a")
                case "delete":
                    await on.control.delete("orders", ["a"])
                case _:
                    await on.control.steer("orders", "a", how)
            (told,) = peer.heard(frames.Deliver)
            assert (told.instance, told.event.type) == (on.claim_of("child").key, CANCEL)

    asyncio.run(story())


# -- restart ---------------------------------------------------------------------------------------------


def settled(key: str, order: int) -> Settled:
    return Settled(key, "do", 1, Ok(), order=order)


def test_a_restart_takes_the_current_version_and_a_new_seed_and_its_holder_lets_go(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            peer = await on.held("a")
            before = on.claim_of("a")
            await say(on, "a", settled("charge-1", 1))
            on.declare(entry("orders"), version="v2")
            restarted = await on.control.restart("orders", "a")
            assert (restarted.status, restarted.version) == ("queued", "v2")
            assert peer.said[-1] == frames.Drop([before.key])
            await until(lambda: on.fleet.turns == ["a", "a"], "it to begin anew")
            after = on.fleet.peers["v2"].holds[before.key]
            assert after.seed != before.seed
            assert after.epoch > before.epoch
            assert on.admission.running == 1
            assert await statuses(on, "a") == ["queued"]

    asyncio.run(story())


@pytest.mark.parametrize("ended", sorted(status.ENDED))
def test_what_is_over_can_be_restarted(tmp_path, ended):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            on.attach()
            await on.create("orders", "a")
            (claim,) = await on.store.claim({"orders": 1}, owner="test", now=on.control.at)
            await on.store.append(
                Batch(claims=[(claim.key, claim.epoch)], changes=[Ended(claim.key, 1, ended)])
            )
            on.start()
            assert (await on.control.restart("orders", "a")).status == "queued"
            await until(lambda: on.fleet.turns == ["a"], "the instance")

    asyncio.run(story())


def test_a_restart_from_a_step_keeps_what_came_before_it(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.held("a")
            before = on.claim_of("a")
            await say(on, "a", settled("charge-1", 1), settled("ship-1", 2), settled("charge-2", 3))
            start = Start(name="ship", type="do")
            assert (await on.control.restart("orders", "a", start)).status == "queued"
            await until(lambda: on.fleet.turns == ["a", "a"], "it to go on")
            turn = on.fleet.peers["v1"].turns[-1]
            kept = [facts.decode(raw) for raw in turn.records or ()]
            assert [fact.key for fact in kept if isinstance(fact, Settled)] == ["charge-1"]
            assert turn.seed == before.seed

    asyncio.run(story())


@pytest.mark.parametrize(
    "start", [Start(name="pack"), Start(name="charge", count=2), Start(name="charge", type="sleep")]
)
def test_a_step_that_it_never_came_to_is_refused_and_changes_nothing(tmp_path, start):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            peer = await on.held("a")
            await say(on, "a", settled("charge-1", 1))
            said = len(peer.said)
            told = r"^\(instance.cannot_restart\) Step .* not found in execution history"
            with pytest.raises(WrongMove, match=told):
                await on.control.restart("orders", "a", start)
            assert (await on.get("orders", "a")).status == "running"
            assert len(peer.said) == said

    asyncio.run(story())


def test_what_is_rolling_back_cannot_be_restarted(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.held("a")
            await say(on, "a", change=Rolling(on.claim_of("a").key, on.control.at))
            with pytest.raises(WrongMove, match=r"^\(instance.cannot_restart\)"):
                await on.control.restart("orders", "a")

    asyncio.run(story())


def test_what_is_restarted_on_its_way_to_a_runtime_arrives_once_and_anew(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            on.attach()
            await on.create("orders", "a")
            on.fleet.ready.clear()
            on.start()
            await until(lambda: on.fleet.asked, "the claim")
            await on.control.restart("orders", "a")
            await until(lambda: len(on.fleet.asked) == 2, "the next claim")
            on.fleet.ready.set()
            await until(lambda: on.fleet.turns, "the instance")
            await meanwhile(0.02)
            (turn,) = on.fleet.peers["v1"].turns
            assert turn.epoch == on.claim_of("a").epoch
            assert await statuses(on, "a") == ["queued"]
            assert on.admission.running == 1

    asyncio.run(story())


# -- delete ----------------------------------------------------------------------------------------------


def test_what_is_deleted_is_gone_wherever_it_is_and_its_place_is_free(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", limit=1))
            peer = await on.held("a")
            await on.create("orders", "b", "c")
            key = (await on.get("orders", "a")).key
            assert await on.control.delete("orders", ["a", "nobody", "a", "b"]) == {"a", "b"}
            assert [one.id for one in await on.store.find("orders")] == ["c"]
            assert frames.Drop([key]) in peer.said
            await until(lambda: on.fleet.turns == ["a", "c"], "the next")
            with pytest.raises(WorkflowNotFound):
                await on.control.delete("nothing", ["a"])

    asyncio.run(story())


def test_a_store_that_fails_leaves_everything_as_it_is(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders"))
            peer = await on.held("a")
            said = len(peer.said)
            for method in ("move", "deliver", "restart", "delete"):
                on.store.failures[method] = [StoreError("disk I/O error")]  # type: ignore[attr-defined]
            for call in (
                on.control.steer("orders", "a", "pause"),
                on.control.steer("orders", "a", "cancel"),
                on.control.restart("orders", "a"),
                on.control.delete("orders", ["a"]),
            ):
                with pytest.raises(StoreError):
                    await call
            assert len(peer.said) == said
            assert (await on.get("orders", "a")).status == "running"

    asyncio.run(story())


# -- waiting for news ------------------------------------------------------------------------------------


def test_who_waits_for_changes_is_told_where_the_store_is_now(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders"))
            await on.create("orders", "a")
            waiting = asyncio.create_task(on.control.changed(0))
            await meanwhile(0.02)
            assert not waiting.done()
            await on.control.steer("orders", "a", "terminate")
            assert await waiting == await on.store.position()

    asyncio.run(story())


# -- admission -----------------------------------------------------------------------------------------


def test_more_instances_than_the_creation_rate_says_are_refused_with_the_time_to_wait(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", admission=Rules(creation_rate=2.0)), entry("returns"))
            make = on.control.create
            await make("orders", [Wanted(id="a"), Wanted(id="b")], trigger="api")
            with pytest.raises(TooMany) as refused:
                await make("orders", [Wanted(id="c")], trigger="api")
            assert refused.value.message == "workflow 'orders' takes 2/s new instances; try again in 1 s"
            assert refused.value.retry_after_s == 1
            assert await on.store.find_one("orders", "c") is None
            await make("returns", [Wanted(id="c")], trigger="api")
            on.control.at += 500
            await make("orders", [Wanted(id="c")], trigger="api")

    asyncio.run(story())


def test_a_batch_larger_than_the_creation_rate_passes_in_one_piece_and_those_after_it_wait(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", admission=Rules(creation_rate=10.0)))
            await on.control.create("orders", [Wanted() for _ in range(100)], trigger="binding")
            with pytest.raises(TooMany) as refused:
                await on.control.create("orders", [Wanted()], trigger="binding")
            assert refused.value.retry_after_s == 10

    asyncio.run(story())


def test_a_child_counts_and_is_not_refused(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", admission=Rules(creation_rate=1.0)))
            await on.create("orders", "parent")
            parent = Parent(key=(await on.get("orders", "parent")).key, awaited=".child-1")
            await on.create("orders", "child", parent=parent)
            with pytest.raises(TooMany) as refused:
                await on.create("orders", "another")
            assert refused.value.retry_after_s == 2

    asyncio.run(story())


def test_a_key_that_is_none_is_refused_and_nothing_of_the_batch_is_created(tmp_path):
    async def story() -> None:
        async with desk(tmp_path) as on:
            on.declare(entry("orders", admission=Rules(key="of", per_key=1)))
            batch = [Wanted(id="a"), Wanted(id="b", params=values.encode({"of": [1]}))]
            with pytest.raises(InvalidInput, match=r"no concurrency key at `params\.of`: it is \[1\]"):
                await on.control.create("orders", batch, trigger="api")
            assert await on.store.find("orders") == []
            with pytest.raises(InvalidInput, match="`priority` is a whole number"):
                await on.create("orders", "a", priority=9)

    asyncio.run(story())

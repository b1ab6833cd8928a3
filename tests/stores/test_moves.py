"""Every verb from every status, what a restart leaves, and what a request wakes; the same in every store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.stores.shop import FAILURE, Shop, line
from wflow.engine import status, values
from wflow.engine.changes import Ended, Held, Rested, Rolling, Told
from wflow.engine.facts import Moved, Opened, Settled, Tried
from wflow.engine.outcome import Failure, Ok, RolledBack
from wflow.engine.requests import CANCEL, ROLL_BACK
from wflow.errors import InstanceEnded, InstanceNotFound, InvalidInput, TooMany, WrongMove
from wflow.stores import moves, pieces
from wflow.stores.store import Appended, Batch, Cell

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from wflow.engine.changes import Change
    from wflow.engine.facts import Fact
    from wflow.stores.store import Claim

NOBODY = 999_999
FAR = 10**9


async def bring(shop: Shop, to: str) -> tuple[int, Claim | None]:
    """Create an instance, bring it to a status, and give its key, and its claim if that goes on."""
    (key,) = await shop.create("a")
    if to == status.QUEUED:
        return key, None
    (claim,) = await shop.claim()
    match to:
        case status.RUNNING:
            return key, claim
        case status.PAUSING:
            await shop.store.move(key, "pause", now=15)
            return key, claim
        case status.ROLLING_BACK:
            await shop.roll(claim)
            return key, claim
        case status.WAITING:
            await shop.rest(claim, FAR)
        case status.PAUSED:
            await shop.store.move(key, "pause", now=15)
            await shop.rest(claim, FAR)
        case status.TERMINATED:
            await shop.store.move(key, "terminate", now=15)
        case _:
            await shop.end(claim, to)
    return key, None


async def everything(shop: Shop, key: int) -> list[object]:
    return [await shop.get("a"), await shop.store.journal(key), await shop.store.load({key: 0})]


# -- by hand ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", status.ALL)
async def test_an_instance_can_be_brought_to_each_status(shop: Shop, before: str):
    await bring(shop, before)
    assert await shop.status("a") == before


@pytest.mark.parametrize("verb", moves.BY_HAND)
@pytest.mark.parametrize("before", status.ALL)
async def test_each_verb_leads_from_each_status_where_the_table_says(shop: Shop, before: str, verb: str):
    key, claim = await bring(shop, before)
    kept = await everything(shop, key)
    after = status.after(before, verb)
    if after is None:
        with pytest.raises(WrongMove, match=rf"^\(instance\.cannot_{verb}\) Cannot {verb} instance") as wrong:
            await shop.store.move(key, verb, now=60)
        assert isinstance(wrong.value, InstanceEnded) is (before in status.ENDED)
        assert await everything(shop, key) == kept
        return
    moving = await shop.store.move(key, verb, now=60)
    assert (moving.instance.status, moving.instance.modified_at) == (after, 60)
    assert moving.instance == await shop.get("a")
    assert moving.deliveries == []
    held = (before, verb) in {("running", "pause"), ("waitingForPause", "resume")}
    assert moving.held is held
    # Whoever holds it writes of it, or else the store.
    assert (Moved(after, 60) in await shop.facts(key)) is not held
    if claim is not None:
        assert await shop.say(claim, line("still here")) == ([] if held else [key])


@pytest.mark.parametrize("before", status.ALL)
async def test_what_is_accepted_goes_with_the_resuming_of_what_is_paused_and_is_recorded(
    shop: Shop, before: str
):
    key, _ = await bring(shop, before)
    kept = await everything(shop, key)
    if before == status.PAUSED:
        moving = await shop.store.move(key, "resume", now=60, accepted={"charge-1": 3, "ship-1": 0})
        assert (moving.instance.status, moving.held) == (status.QUEUED, False)
        accepted: dict[str, object] = {"accepted": {"charge-1": 3, "ship-1": 0}}
        assert (await shop.facts(key))[-1] == Moved(status.QUEUED, 60, detail=accepted)
    else:
        with pytest.raises(WrongMove):
            await shop.store.move(key, "resume", now=60, accepted={"charge-1": 0})
        assert await everything(shop, key) == kept


@pytest.mark.parametrize("before", status.ALL)
async def test_a_restart_leads_from_each_status_where_the_table_says(shop: Shop, before: str):
    key, claim = await bring(shop, before)
    kept = await everything(shop, key)
    if status.after(before, "restart") is None:
        with pytest.raises(WrongMove, match=r"^\(instance\.cannot_restart\) ") as wrong:
            await shop.store.restart(key, version="v2", seed=b"new", now=60)
        assert not isinstance(wrong.value, InstanceEnded)
        assert await everything(shop, key) == kept
        return
    moving = await shop.store.restart(key, version="v2", seed=b"new", now=60)
    assert (moving.instance.status, moving.held, moving.deliveries) == ("queued", False, [])
    assert moving.instance == await shop.get("a")
    assert await shop.facts(key) == [Moved("queued", 60, detail={"restart": True})]
    if claim is not None:
        assert await shop.say(claim, line("late")) == [key]
    (again,) = await shop.claim(now=70)
    assert (again.key, again.version, again.seed, again.died) == (key, "v2", b"new", False)


@pytest.mark.parametrize(
    ("before", "verb", "after"),
    [
        (before, verb, after)
        for before in (status.RUNNING, status.PAUSING, status.ROLLING_BACK)
        for verb, after in status.MOVES[before].items()
        if verb not in {"pause", "resume", "restart"}
    ],
)
async def test_what_a_holder_does_leads_where_the_table_says(shop: Shop, before: str, verb: str, after: str):
    key, claim = await bring(shop, before)
    assert claim is not None
    changes: dict[str, Change] = {
        "rest": Rested(key, 50, FAR, []),
        "hold": Held(key, 50, FAILURE),
        "rollBack": Rolling(key, 50, FAILURE),
        "finish": Ended(key, 50, "complete"),
        "fail": Ended(key, 50, "errored"),
        "terminate": Ended(key, 50, "terminated"),
    }
    assert await shop.say(claim, change=changes[verb]) == []
    found = await shop.get("a")
    assert (found.status, found.modified_at) == (after, 50)
    assert await shop.say(claim, line("more")) == ([] if verb == "rollBack" else [key])


@pytest.mark.parametrize("before", status.ALL)
async def test_a_claim_starts_what_the_table_says_and_nothing_that_is_over(shop: Shop, before: str):
    key, claim = await bring(shop, before)
    if claim is not None:
        await shop.store.release([(key, claim.epoch)], now=60)
    claims = await shop.claim(now=FAR)
    if before in {status.PAUSED, *status.ENDED}:
        assert claims == []
    else:
        assert await shop.status("a") == (before if claim else status.after(before, "start"))
        assert [(one.key, one.pausing) for one in claims] == [(key, before == status.PAUSING)]


@pytest.mark.parametrize("verb", ["start", "rest", "finish", "rollBack", "hold", "restart", "what"])
async def test_nobody_can_be_told_what_a_holder_does(shop: Shop, verb: str):
    key, _ = await bring(shop, status.RUNNING)
    kept = await everything(shop, key)
    with pytest.raises(WrongMove, match=f"Cannot {verb} instance since its on status running"):
        await shop.store.move(key, verb, now=60)
    assert await everything(shop, key) == kept


@pytest.mark.parametrize("before", sorted(status.ENDED))
async def test_terminating_what_is_over_is_refused_in_the_words_people_know(shop: Shop, before: str):
    key, _ = await bring(shop, before)
    with pytest.raises(InstanceEnded) as ended:
        await shop.store.move(key, "terminate", now=60)
    told = "(instance.cannot_terminate) Cannot terminate instance since its on a finite state"
    assert ended.value.message == told


async def test_what_does_not_exist_does_not_move(shop: Shop):
    with pytest.raises(InstanceNotFound):
        await shop.store.move(NOBODY, "terminate", now=60)
    with pytest.raises(InstanceNotFound):
        await shop.store.restart(NOBODY, version="v2", seed=b"", now=60)


async def test_a_termination_is_recorded_and_ends_the_claim(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, line("one"))
    moved = (await shop.store.move(claim.key, "terminate", now=60)).instance
    assert (moved.status, moved.ended_at, moved.modified_at) == ("terminated", 60, 60)
    assert await shop.facts(claim.key) == [line("one"), Moved("terminated", 60)]
    assert await shop.say(claim, line("late"), after=1) == [claim.key]
    assert await shop.say(claim, line("late"), after=2) == [claim.key]
    assert await shop.claim(now=10**12) == []


# -- pausing ----------------------------------------------------------------------------------------------


async def test_a_holder_that_rests_when_it_was_told_to_pause_has_paused(shop: Shop):
    claim = await shop.claimed()
    await shop.store.move(claim.key, "pause", now=60)
    said: list[Fact] = [line("last"), Moved("waitingForPause", 61)]
    assert await shop.say(claim, *said, change=Rested(claim.key, 62, 100, ["paid"])) == []
    found = await shop.get("a")
    assert (found.status, found.wake_at, found.modified_at) == ("paused", None, 62)
    assert await shop.facts(claim.key) == [*said, Moved("paused", 62)]
    assert [record.seq for record in await shop.store.journal(claim.key)] == [1, 2, 3]
    await shop.store.deliver(claim.key, "paid", b"", now=70)
    assert await shop.claim(now=10**12) == []


async def test_those_that_pause_in_one_batch_each_get_their_record(shop: Shop):
    await shop.create("a", "b", "c")
    claims = await shop.claim()
    for claim in (claims[0], claims[2]):
        await shop.store.move(claim.key, "pause", now=60)
    changes = [Rested(claim.key, 62, 100, []) for claim in claims]
    await shop.store.append(Batch(claims=[(claim.key, claim.epoch) for claim in claims], changes=changes))
    assert [await shop.status(id_) for id_ in "abc"] == ["paused", "waiting", "paused"]
    assert [(record.id, record.seq) for record in await shop.store.tail(0)] == [("a", 1), ("c", 1)]
    assert await shop.store.position() == 2


async def test_a_paused_instance_is_left_alone_until_it_is_resumed(shop: Shop):
    claim = await shop.claimed()
    await shop.rest(claim, 100, "paid")
    await shop.store.move(claim.key, "pause", now=60)
    await shop.store.deliver(claim.key, "paid", b"", now=70)
    assert await shop.claim(now=10**12) == []
    await shop.store.move(claim.key, "resume", now=80)
    assert await shop.status("a") == "queued"
    (again,) = await shop.claim(now=90)
    assert again.has_events
    assert await shop.facts(claim.key) == [Moved("paused", 60), Moved("queued", 80)]


async def test_a_queued_instance_that_was_paused_goes_back_to_its_place(shop: Shop):
    (key, _) = await shop.create("a", "b")
    await shop.store.move(key, "pause", now=5)
    assert [claim.id for claim in await shop.claim(1)] == ["b"]
    await shop.create("c")
    await shop.store.move(key, "resume", now=6)
    assert [claim.id for claim in await shop.claim()] == ["a", "c"]


async def test_a_pause_may_be_taken_back_before_the_holder_has_paused(shop: Shop):
    claim = await shop.claimed()
    await shop.store.move(claim.key, "pause", now=60)
    moving = await shop.store.move(claim.key, "resume", now=61)
    assert (moving.instance.status, moving.held) == ("running", True)
    assert await shop.rest(claim, 100) == []
    assert await shop.status("a") == "waiting"


async def test_an_instance_that_shall_pause_may_end_first(shop: Shop):
    claim = await shop.claimed()
    await shop.store.move(claim.key, "pause", now=60)
    assert await shop.end(claim) == []
    assert await shop.status("a") == "complete"


@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_what_nobody_holds_is_recorded_here_and_stays_due(shop: Shop, verb: str):
    claim = await shop.claimed()
    if verb == "resume":
        await shop.store.move(claim.key, "pause", now=40)
    await shop.store.release([(claim.key, claim.epoch)], now=50, died=True)
    moving = await shop.store.move(claim.key, verb, now=60)
    assert not moving.held
    assert await shop.facts(claim.key) == [Moved(moving.instance.status, 60)]
    (again,) = await shop.claim(now=60)
    assert (again.pausing, again.died, again.seq) == (verb == "pause", True, 1)


async def test_an_instance_that_shall_pause_is_not_forgotten_over_a_restart_of_the_process(shop: Shop):
    claim = await shop.claimed()
    await shop.store.move(claim.key, "pause", now=60)
    await shop.reopen()
    (again,) = await shop.claim(now=70)
    assert (again.pausing, await shop.status("a")) == (True, "waitingForPause")
    await shop.rest(again, 100)
    assert await shop.status("a") == "paused"


async def test_what_an_instance_is_asked_takes_back_a_pause_that_has_not_come(shop: Shop):
    claim = await shop.claimed()
    await shop.store.move(claim.key, "pause", now=60)
    delivery = await shop.store.deliver(claim.key, CANCEL, b"\xc0", now=61)
    assert delivery.claimed
    assert await shop.status("a") == "running"
    await shop.rest(claim, 100)
    assert await shop.status("a") == "waiting"
    (again,) = await shop.claim(now=70)
    assert (again.key, again.pausing) == (claim.key, False)


async def test_what_held_an_instance_is_forgotten_when_it_is_resumed(shop: Shop):
    claim = await shop.claimed()
    await shop.hold(claim)
    assert (await shop.get("a")).failure is not None
    assert (await shop.store.move(claim.key, "resume", now=60)).instance.failure is None


# -- rolling back -----------------------------------------------------------------------------------------


async def test_an_instance_rolls_back_under_the_same_claim_and_shows_why(shop: Shop):
    claim = await shop.claimed()
    assert await shop.say(claim, Moved("rollingBack", 30), change=Rolling(claim.key, 30, FAILURE)) == []
    found = await shop.get("a")
    assert found.failure is not None
    assert (found.status, msgspec.msgpack.decode(found.failure, type=Failure)) == ("rollingBack", FAILURE)
    ended = Ended(claim.key, 40, "errored", None, FAILURE, RolledBack(Failure("Late", "too late")))
    assert await shop.say(claim, line("undone"), change=ended, after=1) == []
    found = await shop.get("a")
    assert found.rollback is not None
    assert msgspec.msgpack.decode(found.rollback, type=RolledBack) == ended.rollback
    assert (found.status, found.ended_at) == ("errored", 40)


async def test_an_instance_rolls_back_without_a_failure_when_it_was_asked_to(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, change=Rolling(claim.key, 30))
    assert ((await shop.get("a")).status, (await shop.get("a")).failure) == ("rollingBack", None)
    await shop.say(claim, change=Ended(claim.key, 40, "terminated", None, None, RolledBack()))
    found = await shop.get("a")
    assert found.rollback is not None
    assert msgspec.msgpack.decode(found.rollback, type=RolledBack) == RolledBack()


async def test_an_instance_that_rolls_back_may_rest_and_goes_on_with_that(shop: Shop):
    claim = await shop.claimed()
    await shop.roll(claim)
    await shop.rest(claim, 100)
    found = await shop.get("a")
    assert (found.status, found.wake_at) == ("rollingBack", 100)
    assert await shop.claim(now=99) == []
    (again,) = await shop.claim(now=100)
    found = await shop.get("a")
    assert (found.status, again.pausing) == ("rollingBack", False)
    assert found.failure is not None
    await shop.reopen()
    (again,) = await shop.claim(now=100)
    assert (await shop.status("a"), again.died) == ("rollingBack", True)


async def test_changes_of_one_batch_are_made_in_their_order(shop: Shop):
    claim = await shop.claimed()
    told = Told(claim.key, 29, values.encode({"progress": 1}), ["late"])
    batch: list[Change] = [told, Rolling(claim.key, 30, FAILURE), Rested(claim.key, 31, 100, [])]
    assert (await shop.append(claim, changes=batch)).refused == []
    found = await shop.get("a")
    assert (found.status, found.wake_at, found.tags) == ("rollingBack", 100, ("late",))


async def test_to_roll_back_twice_is_to_roll_back(shop: Shop):
    claim = await shop.claimed()
    await shop.roll(claim)
    assert await shop.roll(claim) == []
    assert await shop.status("a") == "rollingBack"


@pytest.mark.parametrize(
    "changes",
    [
        [Ended(1, 20, "complete"), Rested(1, 21, 30, [])],
        [Rested(1, 21, 30, []), Rested(1, 21, 30, [])],
        [Held(1, 20, FAILURE), Ended(1, 20, "complete")],
        [Ended(1, 20, "running")],
        [Ended(1, 20, "banana")],
    ],
)
async def test_a_claim_ends_once_and_in_a_status_that_is_one(shop: Shop, changes: list[Change]):
    await shop.create("a", "b")
    a, b = await shop.claim()
    assert a.key == 1
    batch = Batch(claims=[(a.key, a.epoch), (b.key, b.epoch)], changes=[*changes, Rested(b.key, 20, 30, [])])
    assert (await shop.store.append(batch)).refused == [a.key]
    assert [await shop.status(id_) for id_ in "ab"] == ["running", "waiting"]
    assert await shop.say(a, line("mine")) == []


# -- deaths -----------------------------------------------------------------------------------------------


async def test_the_next_claim_says_that_the_last_holder_died_and_no_later_one_does(shop: Shop):
    claim = await shop.claimed()
    await shop.store.release([(claim.key, claim.epoch)], now=20, died=True)
    assert await shop.store.due_at(["shop"]) == 0
    (again,) = await shop.claim(now=20)
    assert again.died
    await shop.store.release([(again.key, again.epoch)], now=21)
    (third,) = await shop.claim(now=21)
    assert (third.died, third.started_at) == (False, 10)


async def test_whoever_held_a_claim_when_the_store_is_opened_has_died(shop: Shop):
    await shop.create("a", "b", "c")
    a, b, c = await shop.claim()
    await shop.rest(b, 20)
    await shop.store.release([(c.key, c.epoch)], now=20)
    await shop.reopen()
    claims = {claim.id: claim.died for claim in await shop.claim(now=20)}
    assert claims == {"a": True, "b": False, "c": False}
    assert await shop.say(a, line("late")) == [a.key]


async def test_a_past_as_long_ago_as_can_be_is_no_death(shop: Shop):
    for instant in (0, -5):
        claim = await shop.claimed(f"i{instant}")
        await shop.rest(claim, instant)
        (again,) = await shop.claim()
        assert not again.died


async def test_an_event_does_not_hide_a_death(shop: Shop):
    claim = await shop.claimed()
    await shop.store.release([(claim.key, claim.epoch)], now=20, died=True)
    await shop.store.deliver(claim.key, CANCEL, b"", now=25)
    (again,) = await shop.claim(now=25)
    assert (again.died, again.has_events) == (True, True)


# -- restarts ---------------------------------------------------------------------------------------------


async def test_a_restart_leaves_what_it_was_created_with_and_nothing_else(shop: Shop):
    claim = await shop.claimed(seed=b"old", tags=["vip"], trigger="binding", error_retention_ms=5)
    before = await shop.get("a")
    await shop.store.deliver(claim.key, "paid", b"", now=15)
    shown = Told(claim.key, 16, b"\x01", None)
    ended = Ended(claim.key, 17, "errored", None, FAILURE, RolledBack())
    await shop.append(claim, line("one"), line("two"), changes=[shown, ended])
    assert (await shop.get("a")).expires_at == 22
    moving = await shop.store.restart(claim.key, version="v2", seed=b"new", now=60)
    wanted = {"version": "v2", "modified_at": 60, "started_at": None, "status": "queued", "seed": b"new"}
    assert moving.instance == msgspec.structs.replace(before, **wanted)
    assert await shop.events(claim.key) == []
    (again,) = await shop.claim(now=70)
    assert (again.seed, again.started_at, again.epoch > claim.epoch) == (b"new", 70, True)


async def test_numbers_go_on_after_a_restart(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, line("one"), line("two"))
    position = await shop.store.position()
    await shop.store.restart(claim.key, version="v2", seed=b"", now=60)
    (record,) = await shop.store.journal(claim.key, after=2)
    assert (record.seq, record.position) == (3, position + 1)
    assert await shop.store.tail(position) == [record]
    (again,) = await shop.claim(now=70)
    assert again.seq == 3
    assert await shop.say(again, line("three")) == []
    assert [one.seq for one in await shop.store.journal(claim.key)] == [3, 4]
    past = (await shop.store.load({claim.key: 0}))[claim.key]
    assert (past.seq, len(past.records)) == (4, 2)


async def test_a_restart_fences_whoever_holds_the_instance(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, line("one"))
    await shop.store.restart(claim.key, version="v1", seed=b"", now=60)
    for after in (0, 1, 2):
        ended = Ended(claim.key, 61, "complete", b"old")
        assert await shop.say(claim, line("late"), change=ended, after=after) == [claim.key]
    await shop.store.release([(claim.key, claim.epoch)], now=62, died=True)
    found = await shop.get("a")
    assert (found.status, found.output, found.wake_at) == ("queued", None, None)
    (again,) = await shop.claim(now=70)
    assert await shop.say(claim, line("late"), after=2) == [claim.key]
    assert await shop.say(again, line("mine")) == []


def settled(key: str, order: int) -> Settled:
    return Settled(key, "do", 20 + order, Ok(b"\xc0"), order=order)


JOURNAL: list[Fact] = [
    settled("one-1", 1),
    Opened("nap-1", "sleep", 22, order=3),
    settled("two-1", 2),
    Tried("three-1", 1, 23),
    settled("three-1", 4),
]


async def test_a_cut_sees_the_whole_journal_and_takes_what_it_names(shop: Shop):
    claim = await shop.claimed(seed=b"old")
    told = Told(claim.key, 25, b"\x01", ["kept"])
    await shop.append(claim, *JOURNAL, changes=[told, Ended(claim.key, 26, "complete", b"out")])
    seen: list[tuple[int, Fact]] = []

    def cut(journal: Sequence[tuple[int, Fact]]) -> Collection[int]:
        seen.extend(journal)
        return [2, 4, 5, 99]

    moving = await shop.store.restart(claim.key, version="v2", seed=b"new", now=60, cut=cut)
    assert seen == list(enumerate(JOURNAL, 1))
    record = Moved("queued", 60, detail={"restart": True, "from": "nap-1"})
    assert await shop.facts(claim.key) == [JOURNAL[0], JOURNAL[2], record]
    assert [one.seq for one in await shop.store.journal(claim.key)] == [1, 3, 6]
    found = moving.instance
    assert (found.status, found.version, found.output, found.ended_at) == ("queued", "v2", None, None)
    assert (found.shown, found.tags, found.started_at) == (b"\x01", ("kept",), 10)
    (again,) = await shop.claim(now=70)
    assert (again.seed, again.started_at, again.seq) == (b"old", 10, 6)


async def test_a_cut_takes_the_pieces_of_streams_of_the_steps_that_are_gone(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, *JOURNAL)
    steps = ["one-1", "three-1", "three-10", "two-1", "two-1/x"]
    space = pieces.space(claim.key)
    await shop.store.write([Cell(space=space, key=pieces.key(step, "a", 0), value=b"x") for step in steps])
    await shop.store.restart(claim.key, version="v1", seed=b"", now=60, cut=lambda _: [3, 4, 5])
    left = [pieces.step_of(cell.key) for cell in await shop.store.scan(space, now=1)]
    assert left == ["one-1", "three-10", "two-1/x"]


async def test_a_cut_forgets_the_events_that_were_not_received(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, *JOURNAL)
    for type_ in ("paid", CANCEL, ROLL_BACK):
        await shop.store.deliver(claim.key, type_, b"", now=30)
    await shop.store.restart(claim.key, version="v1", seed=b"", now=60, cut=lambda _: [5])
    assert await shop.events(claim.key) == []


async def test_a_cut_in_the_middle_of_a_step_is_no_start_from_it(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, *JOURNAL)
    await shop.store.restart(claim.key, version="v1", seed=b"", now=60, cut=lambda _: {5})
    assert (await shop.facts(claim.key))[-1] == Moved("queued", 60, detail={"restart": True})


@pytest.mark.parametrize("raised", [WrongMove("(instance.cannot_restart) no such step"), KeyError("oops")])
async def test_what_a_cut_raises_changes_nothing(shop: Shop, raised: Exception):
    claim = await shop.claimed()
    await shop.store.deliver(claim.key, "paid", b"", now=15)
    await shop.say(claim, line("one"))
    kept = await everything(shop, claim.key)

    def cut(_: Sequence[tuple[int, Fact]]) -> Collection[int]:
        raise raised

    broken = shop.store.restart(claim.key, version="v2", seed=b"new", now=60, cut=cut)
    results = await asyncio.gather(
        shop.create("b"), broken, shop.store.write([]), shop.create("c"), return_exceptions=True
    )
    assert [one for one in results if isinstance(one, Exception)] == [raised]
    assert [await shop.status(id_) for id_ in "bc"] == ["queued", "queued"]
    assert await everything(shop, claim.key) == kept
    assert await shop.say(claim, line("two"), after=1) == []


async def test_what_was_deleted_by_a_restart_stays_so_after_one_of_the_process(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, line("one"), line("two"))
    await shop.store.restart(claim.key, version="v2", seed=b"new", now=60)
    kept = await everything(shop, claim.key)
    await shop.reopen()
    assert await everything(shop, claim.key) == kept
    assert await shop.store.position() == 3


@pytest.mark.parametrize(
    ("journal", "cut", "gone"),
    [
        ([], [], []),
        (JOURNAL, [], []),
        (JOURNAL, [1, 2, 3, 4, 5], ["one-1", "two-1", "nap-1", "three-1"]),
        (JOURNAL, [3, 5], ["two-1"]),
        ([settled("b-1", 0), line("x"), settled("a-1", 0)], [1, 2, 3], ["b-1", "a-1"]),
        (
            [settled("late-1", 2), settled("early-1", 1), Tried("undo", 1, 9)],
            [1, 2, 3],
            ["early-1", "late-1", "undo"],
        ),
    ],
)
def test_steps_are_gone_of_which_nothing_is_left(journal: list[Fact], cut: list[int], gone: list[str]):
    assert moves.gone(list(enumerate(journal, 1)), cut) == gone


# -- requests ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_", [CANCEL, ROLL_BACK])
@pytest.mark.parametrize("before", [one for one in status.ALL if one not in status.ENDED])
async def test_a_request_reaches_an_instance_whatever_it_does(shop: Shop, before: str, request_: str):
    key, claim = await bring(shop, before)
    delivery = await shop.store.deliver(key, request_, b"\xc0", now=60)
    assert (delivery.key, delivery.workflow, delivery.claimed) == (key, "shop", claim is not None)
    assert await shop.status("a") == ("running" if before == status.PAUSING else before)
    if claim is not None:
        assert await shop.claim(now=FAR) == []
    else:
        (claim,) = await shop.claim(now=60)
        assert claim.has_events
    past = (await shop.store.load({key: 0}))[key]
    assert past.events == [delivery.event]
    assert await shop.say(claim, *past.events, after=past.seq) == []
    assert await shop.events(key) == []


async def test_a_request_does_not_send_a_due_instance_back_in_the_line(shop: Shop):
    await shop.rest(await shop.claimed(), 30)
    key = (await shop.get("a")).key
    await shop.store.deliver(key, CANCEL, b"", now=60)
    assert (await shop.get("a")).wake_at == 30


async def test_of_a_kind_of_request_one_is_kept(shop: Shop):
    (key,) = await shop.create("a")
    first = await shop.store.deliver(key, CANCEL, b"1", now=60)
    again = await shop.store.deliver(key, CANCEL, b"2", now=61)
    other = await shop.store.deliver(key, ROLL_BACK, b"", now=62)
    assert again == first
    assert await shop.events(key) == [(first.event.event, CANCEL), (other.event.event, ROLL_BACK)]
    for number in range(2):
        await shop.store.deliver(key, "paid", b"", now=63 + number)
    assert len(await shop.events(key)) == 4


async def test_a_request_that_was_received_may_be_made_again(shop: Shop):
    claim = await shop.claimed()
    first = await shop.store.deliver(claim.key, CANCEL, b"", now=60)
    await shop.say(claim, first.event)
    again = await shop.store.deliver(claim.key, CANCEL, b"", now=61)
    assert again.event.event > first.event.event


async def test_a_full_inbox_takes_a_request(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wflow.engine.names.EVENTS_BUFFERED", 1)
    (key,) = await shop.create("a")
    await shop.store.deliver(key, "paid", b"", now=1)
    with pytest.raises(TooMany):
        await shop.store.deliver(key, "paid", b"", now=2)
    await shop.store.deliver(key, CANCEL, b"", now=3)
    assert [type_ for _, type_ in await shop.events(key)] == ["paid", CANCEL]


async def test_whoever_rests_or_pauses_with_a_request_unheard_is_due_at_once(shop: Shop):
    await shop.create("a", "b", "c")
    a, b, c = await shop.claim()
    await shop.store.move(b.key, "pause", now=15)
    await shop.roll(c)
    for claim in (a, b, c):
        await shop.store.deliver(claim.key, CANCEL, b"", now=16)
        await shop.rest(claim, FAR, "paid")
    assert [await shop.status(id_) for id_ in "abc"] == ["waiting", "waiting", "rollingBack"]
    assert [(one.id, one.has_events) for one in await shop.claim(now=20)] == [
        ("a", True),
        ("b", True),
        ("c", True),
    ]
    assert [await shop.status(id_) for id_ in "abc"] == ["running", "running", "rollingBack"]


async def test_a_pause_does_not_hold_back_a_request(shop: Shop):
    await shop.rest(await shop.claimed(), FAR)
    key = (await shop.get("a")).key
    await shop.store.deliver(key, CANCEL, b"", now=50)
    assert (await shop.store.move(key, "pause", now=51)).instance.wake_at == 51
    assert [claim.key for claim in await shop.claim(now=51)] == [key]


async def test_what_the_code_contradicts_is_not_tried_again_for_the_same_request(shop: Shop):
    claim = await shop.claimed()
    await shop.store.deliver(claim.key, CANCEL, b"", now=15)
    await shop.hold(claim)
    assert await shop.claim(now=FAR) == []
    await shop.store.deliver(claim.key, CANCEL, b"", now=30)
    assert [again.key for again in await shop.claim(now=30)] == [claim.key]


# -- together ---------------------------------------------------------------------------------------------


async def test_a_poisonous_neighbour_spoils_no_move(shop: Shop):
    await shop.create("a", "b", "c", "d")
    a, b, c, d = await shop.claim()
    results = await asyncio.gather(
        shop.store.move(a.key, "pause", now=30),
        shop.store.move(b.key, "terminate", now=30),
        shop.store.restart(c.key, version="v2", seed=b"s", now=30),
        shop.store.deliver(d.key, CANCEL, b"", now=30),
        shop.append(d, line("one"), changes=[Rolling(d.key, 30, FAILURE), Told(d.key, 30, b"\x01", ["t"])]),
        shop.store.note([(7, 10**30, b"")]),
        return_exceptions=True,
    )
    assert [type(one) for one in results if isinstance(one, Exception)] == [InvalidInput]
    assert results[4] == Appended([], [])
    statuses = [await shop.status(id_) for id_ in "abcd"]
    assert statuses == ["waitingForPause", "terminated", "queued", "rollingBack"]
    assert await shop.facts(d.key) == [line("one")]
    assert (await shop.get("d")).tags == ("t",)
    # Each record is there once, though all was done twice.
    records = [(one.id, one.seq) for one in await shop.store.tail(0)]
    assert sorted(map(str, records)) == sorted(map(str, [("b", 1), ("c", 1), ("d", 1)]))

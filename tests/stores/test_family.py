"""What parents hear of their children, and what children are asked when a parent ends; in every store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.stores.shop import FAILURE, Shop, line, new
from wflow.engine import names, values
from wflow.engine.changes import Ended, Rested
from wflow.engine.facts import LOGGED, Moved, Opened, Settled, encode
from wflow.engine.outcome import Err, Ok, Outcome
from wflow.engine.requests import CANCEL, CHILD
from wflow.errors import InstanceEnded, InvalidInput
from wflow.stores import family
from wflow.stores.store import Batch, Delivery

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.engine.changes import Change
    from wflow.engine.facts import Fact
    from wflow.stores.store import Claim

END = CHILD + "call-1"
OUTCOME: msgspec.msgpack.Decoder[Outcome] = msgspec.msgpack.Decoder(Outcome)
FAR = 10**9
NOBODY = 999_999


async def a_family(shop: Shop, *, follows: bool = True) -> tuple[Claim, Claim]:
    """Create a parent and its child, and claim both."""
    parent = await shop.claimed("parent")
    child = await shop.claimed("child", parent=parent.key, awaited=END, follows=follows)
    return parent, child


async def finish(shop: Shop, claim: Claim, how: str) -> list[Delivery]:
    """End an instance in one of the ways there are."""
    key = claim.key
    match how:
        case "complete":
            change = Ended(key, 50, "complete", b"\x07")
        case "errored":
            change = Ended(key, 50, "errored", None, FAILURE)
        case "cancelled":
            change = Ended(key, 50, "terminated")
        case "terminated":
            return (await shop.store.move(key, "terminate", now=50)).deliveries
        case _:
            return await shop.store.delete([key], now=50)
    return (await shop.append(claim, changes=[change])).deliveries


def outcome(payload: bytes) -> Outcome:
    """Read what a parent is told."""
    raw = values.decode(payload)
    assert isinstance(raw, bytes)
    return OUTCOME.decode(raw)


WAYS = {
    "complete": Ok(b"\x07"),
    "errored": Err(FAILURE),
    "cancelled": Err(family.TERMINATED),
    "terminated": Err(family.TERMINATED),
    "deleted": Err(family.DELETED),
}


# -- what a parent hears ----------------------------------------------------------------------------------


@pytest.mark.parametrize("how", WAYS)
async def test_a_parent_hears_how_its_child_ended_in_the_same_commit(shop: Shop, how: str):
    parent, child = await a_family(shop)
    (delivery,) = await finish(shop, child, how)
    assert (delivery.key, delivery.workflow, delivery.claimed) == (parent.key, "shop", True)
    assert (delivery.event.type, delivery.event.sent_at) == (END, 50)
    assert outcome(delivery.event.payload) == WAYS[how]
    assert (await shop.store.load({parent.key: 0}))[parent.key].events == [delivery.event]


@pytest.mark.parametrize("how", WAYS)
async def test_a_parent_that_rests_is_woken_by_the_end_that_it_awaits(shop: Shop, how: str):
    parent, child = await a_family(shop)
    await shop.rest(parent, FAR, END)
    (delivery,) = await finish(shop, child, how)
    assert not delivery.claimed
    assert [(one.key, one.has_events) for one in await shop.claim(now=50)] == [(parent.key, True)]


async def test_a_parent_that_awaits_something_else_sleeps_on(shop: Shop):
    parent, child = await a_family(shop)
    await shop.rest(parent, FAR, CHILD + "call-2", "paid")
    await shop.end(child)
    assert await shop.claim(now=60) == []
    assert [type_ for _, type_ in await shop.events(parent.key)] == [END]


async def test_a_parent_that_goes_to_rest_in_the_same_batch_is_woken(shop: Shop):
    parent, child = await a_family(shop)
    claims = [(parent.key, parent.epoch), (child.key, child.epoch)]
    changes: list[Change] = [Ended(child.key, 50, "complete"), Rested(parent.key, 50, FAR, [END])]
    appended = await shop.store.append(Batch(claims=claims, changes=changes))
    assert [(one.key, one.claimed) for one in appended.deliveries] == [(parent.key, False)]
    assert (await shop.get("parent")).wake_at == 50


async def test_a_parent_that_is_paused_finds_it_when_it_is_resumed(shop: Shop):
    parent, child = await a_family(shop)
    await shop.rest(parent, FAR, END)
    await shop.store.move(parent.key, "pause", now=45)
    await shop.end(child)
    assert await shop.claim(now=FAR) == []
    await shop.store.move(parent.key, "resume", now=60)
    assert [one.has_events for one in await shop.claim(now=60)] == [True]


async def test_the_end_of_a_child_that_was_refused_is_told_to_nobody(shop: Shop):
    parent, child = await a_family(shop)
    await shop.store.release([(child.key, child.epoch)], now=40)
    appended = await shop.append(child, changes=[Ended(child.key, 50, "complete")])
    assert (appended.refused, appended.deliveries) == ([child.key], [])
    assert await shop.events(parent.key) == []


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("gone", ["complete", "terminated", "deleted"])
async def test_a_parent_that_is_over_hears_nothing(shop: Shop, how: str, gone: str):
    parent, child = await a_family(shop, follows=False)
    assert await finish(shop, parent, gone) == []
    assert await finish(shop, child, how) == []
    assert await shop.events(parent.key) == []


async def test_a_parent_and_a_child_that_end_in_one_batch_tell_each_other_nothing(shop: Shop):
    parent, child = await a_family(shop)
    claims = [(parent.key, parent.epoch), (child.key, child.epoch)]
    changes = [Ended(child.key, 50, "complete"), Ended(parent.key, 50, "complete")]
    assert (await shop.store.append(Batch(claims=claims, changes=changes))).deliveries == []
    assert await shop.events(parent.key) + await shop.events(child.key) == []


async def test_a_parent_and_a_child_that_are_deleted_together_are_simply_gone(shop: Shop):
    parent, child = await a_family(shop)
    assert await shop.store.delete([child.key, parent.key, NOBODY, child.key], now=50) == []
    assert await shop.store.find("shop") == []


async def test_a_child_that_is_deleted_twice_in_one_call_is_told_once(shop: Shop):
    parent, child = await a_family(shop)
    deliveries = await shop.store.delete([child.key, child.key], now=50)
    assert [one.key for one in deliveries] == [parent.key]


async def test_what_is_deleted_after_it_ended_is_told_once(shop: Shop):
    parent, child = await a_family(shop)
    (delivery,) = await finish(shop, child, "complete")
    assert await shop.store.delete([child.key], now=60) == []
    assert await shop.events(parent.key) == [(delivery.event.event, END)]


async def test_the_largest_output_and_the_longest_failure_reach_the_parent(shop: Shop):
    parent = await shop.claimed("parent")
    output = values.encode(b"x" * (names.VALUE_BYTES - 5))
    failure = msgspec.structs.replace(FAILURE, group=[FAILURE] * 30_000, trace="t" * names.VALUE_BYTES)
    for n, told in enumerate([Ok(output), Err(failure)], 1):
        awaited = f"{CHILD}call-{n}"
        child = await shop.claimed(f"c{n}", parent=parent.key, awaited=awaited)
        match told:
            case Ok():
                ended = Ended(child.key, 50, "complete", output)
            case Err():
                ended = Ended(child.key, 50, "errored", None, failure)
        (delivery,) = (await shop.append(child, changes=[ended])).deliveries
        assert outcome(delivery.event.payload) == told


async def test_a_full_inbox_takes_the_end_of_a_child(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    parent, child = await a_family(shop)
    monkeypatch.setattr(names, "EVENTS_BUFFERED", 1)
    await shop.store.deliver(parent.key, "paid", b"", now=15)
    await shop.end(child)
    assert [type_ for _, type_ in await shop.events(parent.key)] == ["paid", END]


async def test_children_of_many_parents_end_in_one_batch(shop: Shop):
    parents = [await shop.claimed(f"p{n}") for n in range(3)]
    children = [
        await shop.claimed(f"c{n}", parent=parent.key, awaited=END) for n, parent in enumerate(parents)
    ]
    claims = [(child.key, child.epoch) for child in children]
    changes = [Ended(child.key, 50 + n, "complete", bytes([n])) for n, child in enumerate(children)]
    deliveries = (await shop.store.append(Batch(claims=claims, changes=changes))).deliveries
    assert [(one.key, one.event.sent_at, outcome(one.event.payload)) for one in deliveries] == [
        (parent.key, 50 + n, Ok(bytes([n]))) for n, parent in enumerate(parents)
    ]


def test_an_output_that_was_never_given_is_none():
    assert values.decode(Ok().value) is None
    assert outcome(family.heard("complete")) == Ok()
    assert outcome(family.heard("errored")) == Err(family.ERRORED)
    assert outcome(family.heard("terminated", None, FAILURE)) == Err(FAILURE)


# -- what children are asked ------------------------------------------------------------------------------


@pytest.mark.parametrize("how", WAYS)
async def test_a_child_that_follows_is_asked_to_cancel_when_its_parent_ends(shop: Shop, how: str):
    parent, child = await a_family(shop)
    (delivery,) = await finish(shop, parent, how)
    assert (delivery.key, delivery.workflow, delivery.claimed) == (child.key, "shop", True)
    assert (delivery.event.type, delivery.event.payload, delivery.event.sent_at) == (
        CANCEL,
        values.NONE,
        50,
    )
    assert await shop.events(child.key) == [(delivery.event.event, CANCEL)]
    assert await shop.status("child") == "running"


@pytest.mark.parametrize("how", WAYS)
async def test_a_child_that_does_not_follow_goes_on_by_itself(shop: Shop, how: str):
    parent, child = await a_family(shop, follows=False)
    assert await finish(shop, parent, how) == []
    assert await shop.say(child, line("on")) == []


async def test_those_that_are_over_are_asked_nothing_and_the_others_one_by_one(shop: Shop):
    parent = await shop.claimed("parent")
    for id_ in ("over", "rests", "paused", "queued"):
        await shop.create(id_, parent=parent.key, awaited=f"{CHILD}{id_}", follows=True)
    over, rests, paused = await shop.claim(3)
    await shop.end(over)
    await shop.rest(rests, FAR)
    await shop.hold(paused)
    deliveries = await finish(shop, parent, "terminated")
    children = [await shop.get(id_) for id_ in ("rests", "paused", "queued")]
    assert [(one.key, one.claimed) for one in deliveries] == [(child.key, False) for child in children]
    assert [child.wake_at for child in children] == [50, 50, None]
    assert {claim.id: claim.has_events for claim in await shop.claim(now=50)} == {
        "rests": True,
        "paused": True,
        "queued": True,
    }


async def test_the_children_of_a_child_are_asked_when_that_has_ended(shop: Shop):
    parent, child = await a_family(shop)
    grandchild = await shop.claimed("grandchild", parent=child.key, awaited=END, follows=True)
    assert [one.key for one in await finish(shop, parent, "complete")] == [child.key]
    assert await shop.events(grandchild.key) == []
    assert [one.key for one in await finish(shop, child, "cancelled")] == [grandchild.key]


async def test_a_child_is_asked_once_though_its_parent_ends_twice(shop: Shop):
    parent, child = await a_family(shop)
    await finish(shop, parent, "complete")
    assert await shop.store.delete([parent.key], now=60) == []
    assert len(await shop.events(child.key)) == 1


@pytest.mark.parametrize("gone", ["complete", "terminated", "deleted", "never"])
@pytest.mark.parametrize("follows", [True, False])
async def test_a_child_that_is_born_after_its_parents_end_is_asked_at_once(
    shop: Shop,
    gone: str,
    follows: bool,  # noqa: FBT001
):
    parent = await shop.claimed("parent")
    if gone != "never":
        await finish(shop, parent, gone)
    of = NOBODY if gone == "never" else parent.key
    (child,) = await shop.create("child", parent=of, awaited=END, follows=follows)
    assert [type_ for _, type_ in await shop.events(child)] == ([CANCEL] if follows else [])


async def test_a_parent_is_shown_and_an_instance_without_one_shows_none(shop: Shop):
    parent, _ = await a_family(shop)
    assert [(one.id, one.parent, one.awaited) for one in await shop.store.find("shop")] == [
        ("child", parent.key, END),
        ("parent", None, None),
    ]


async def test_to_create_a_child_again_changes_nothing(shop: Shop):
    parent, child = await a_family(shop)
    before = await shop.get("child")
    again = new("child", at=30, parent=parent.key, awaited=END, follows=True, tags=["late"])
    assert await shop.store.create([again]) == [None]
    assert await shop.get("child") == before
    assert await shop.events(child.key) == []


# -- restarts ---------------------------------------------------------------------------------------------


async def test_a_restart_parts_an_instance_from_the_children_it_had(shop: Shop):
    parent, child = await a_family(shop)
    other = await shop.claimed("other", parent=parent.key, awaited=CHILD + "call-2")
    moving = await shop.store.restart(parent.key, version="v1", seed=b"", now=60)
    assert [(one.key, one.event.type, one.claimed) for one in moving.deliveries] == [
        (child.key, CANCEL, True)
    ]
    # A step that bears the same name now must not hear of what was before.
    assert await finish(shop, child, "cancelled") == []
    assert await finish(shop, other, "complete") == []
    assert await shop.events(parent.key) == []
    assert [(await shop.get(id_)).parent for id_ in ("child", "other")] == [None, None]
    (again,) = await shop.claim(now=70)
    assert await finish(shop, again, "complete") == []


def called(step: str, awaited: str, order: int) -> list[Fact]:
    """Make what a call leaves in the journal: a child is created, and its end awaited."""
    made = values.encode({"id": step, "awaited": awaited})
    return [
        Settled(f"{step}-1", "do", 30, Ok(made), order=order),
        Opened(f"{step} result-1", "waitForEvent", 30, order=order + 1),
    ]


async def test_a_cut_parts_an_instance_from_the_children_of_the_steps_that_are_gone(shop: Shop):
    parent = await shop.claimed("parent")
    kept, gone, unsaid = [
        await shop.claimed(id_, parent=parent.key, awaited=CHILD + id_, follows=True)
        for id_ in ("kept", "gone", "unsaid")
    ]
    await shop.say(parent, *called("one", CHILD + "kept", 1), *called("two", CHILD + "gone", 3))
    await shop.store.deliver(parent.key, "paid", b"", now=55)
    moving = await shop.store.restart(parent.key, version="v1", seed=b"", now=60, cut=lambda _: [3, 4])
    assert [(one.key, one.event.type) for one in moving.deliveries] == [
        (gone.key, CANCEL),
        (unsaid.key, CANCEL),
    ]
    assert await shop.events(parent.key) == []
    assert [(one.id, one.parent, one.awaited) for one in await shop.store.find("shop", limit=3)] == [
        ("unsaid", None, None),
        ("gone", None, None),
        ("kept", parent.key, CHILD + "kept"),
    ]
    assert await finish(shop, gone, "cancelled") == []
    assert await finish(shop, unsaid, "complete") == []
    assert [one.event.type for one in await finish(shop, kept, "complete")] == [CHILD + "kept"]


async def test_a_cut_forgets_the_end_of_a_child_whose_step_is_gone(shop: Shop):
    parent, child = await a_family(shop)
    await shop.say(parent, *called("call", END, 1))
    await finish(shop, child, "complete")
    await shop.store.restart(parent.key, version="v1", seed=b"", now=60, cut=lambda _: [1, 2])
    assert await shop.events(parent.key) == []


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("told", ["unheard", "received", "settled", "too late"])
async def test_a_step_that_is_left_hears_the_end_of_its_child_again(shop: Shop, how: str, told: str):
    parent, child = await a_family(shop, follows=False)
    await shop.say(parent, *called("call", END, 1), Opened("other-1", "do", 31, order=2))
    said, ended = 3, Ended(parent.key, 55, "errored")
    if told == "too late":
        await shop.append(parent, changes=[ended])
        assert await finish(shop, child, how) == []
    else:
        (delivery,) = await finish(shop, child, how)
        if told != "unheard":
            said += 1
            await shop.say(parent, delivery.event, after=3)
        if told == "settled":
            await shop.say(parent, Settled("call result-1", "waitForEvent", 54, Ok(), order=3), after=4)
            said += 1
        await shop.append(parent, changes=[ended])

    def cut(journal: Sequence[tuple[int, Fact]]) -> list[int]:
        return [seq for seq, _ in journal if seq > 1]

    await shop.store.restart(parent.key, version="v1", seed=b"", now=60, cut=cut)
    events = (await shop.store.load({parent.key: 0}))[parent.key].events
    if how == "deleted" and told in {"too late", "unheard"}:
        assert events == []  # nobody knows of it any more
    else:
        assert [(event.type, event.sent_at, outcome(event.payload)) for event in events] == [
            (END, 50, WAYS[how])
        ]
    (again,) = await shop.claim(now=60)
    assert (again.key, again.has_events, again.seq) == (parent.key, bool(events), said + 1)


async def test_the_end_of_a_child_that_is_left_in_the_journal_is_not_told_again(shop: Shop):
    parent, child = await a_family(shop)
    await shop.say(parent, *called("call", END, 1))
    (delivery,) = await finish(shop, child, "complete")
    over = Settled("call result-1", "waitForEvent", 54, Ok(), order=2, event=delivery.event.event)
    await shop.say(parent, delivery.event, over, line("more"), after=2)
    await shop.store.restart(parent.key, version="v1", seed=b"", now=60, cut=lambda _: [5])
    assert await shop.events(parent.key) == []
    assert (await shop.get("child")).parent == parent.key


async def test_the_unheard_end_of_a_deleted_child_is_left_for_a_step_that_is(shop: Shop):
    parent, child = await a_family(shop)
    await shop.say(parent, *called("call", END, 1))
    await finish(shop, child, "deleted")
    await shop.store.restart(parent.key, version="v1", seed=b"", now=60, cut=lambda _: [2])
    assert [type_ for _, type_ in await shop.events(parent.key)] == [END]


async def test_what_people_sent_is_not_told_again(shop: Shop):
    parent, _ = await a_family(shop)
    event = (await shop.store.deliver(parent.key, "paid", b"", now=15)).event
    await shop.say(parent, *called("call", END, 1), event)
    await shop.store.restart(parent.key, version="v1", seed=b"", now=60, cut=lambda _: [2, 3])
    assert await shop.events(parent.key) == []


def test_a_type_is_found_wherever_a_fact_mentions_it():
    one, other, long = CHILD + "a" * 32, CHILD + "b" * 32, CHILD + "c" * 40
    bodies = [encode(fact) for fact in (*called("x", one, 1), line(f"{CHILD}{CHILD}{long}"))]
    assert family.mentioned([one, other, long, "paid"], bodies) == {one, long}
    assert family.mentioned([], bodies) == family.mentioned([one], []) == set()


async def test_a_child_that_is_restarted_tells_its_parent_when_it_ends_again(shop: Shop):
    parent, child = await a_family(shop)
    assert (await shop.store.restart(child.key, version="v1", seed=b"", now=40)).deliveries == []
    (again,) = await shop.claim(now=41)
    (delivery,) = await finish(shop, again, "complete")
    assert delivery.key == parent.key
    # Unheard it is kept once, however often the child is run.
    await shop.store.restart(child.key, version="v1", seed=b"", now=60)
    (third,) = await shop.claim(now=61)
    assert await finish(shop, third, "errored") == [delivery]
    assert await shop.events(parent.key) == [(delivery.event.event, END)]
    await shop.say(parent, delivery.event, Settled("call-1", "call", 70, Ok()))
    await shop.store.restart(child.key, version="v1", seed=b"", now=80)
    assert await shop.facts(child.key) == [Moved("queued", 80, detail={"restart": True})]


# -- together ---------------------------------------------------------------------------------------------


async def test_a_poisonous_neighbour_costs_no_event_and_doubles_none(shop: Shop):
    parent, child = await a_family(shop)
    other = await shop.claimed("other", parent=parent.key, awaited=CHILD + "call-2")
    results = await asyncio.gather(
        shop.append(child, changes=[Ended(child.key, 50, "complete", b"\x01")]),
        shop.store.note([(LOGGED, 10**30, b"")]),
        shop.store.move(other.key, "terminate", now=51),
        shop.store.deliver(child.key, "paid", b"", now=52),
        return_exceptions=True,
    )
    raised = [type(one) for one in results if isinstance(one, Exception)]
    assert raised == [InvalidInput, InstanceEnded]
    assert [type_ for _, type_ in await shop.events(parent.key)] == [END, CHILD + "call-2"]


async def test_families_outlive_the_process(shop: Shop):
    parent, child = await a_family(shop)
    await shop.rest(parent, FAR, END)
    await shop.reopen()
    (again,) = await shop.claim(now=40)
    assert again.key == child.key
    await finish(shop, again, "complete")
    await shop.reopen()
    assert [one.key for one in await shop.claim(now=50)] == [parent.key]

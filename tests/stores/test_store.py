"""What each method of a store promises; every store passes all of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.stores import model
from tests.stores.shop import FAILURE, Shop, ids, line, new, numbered
from wflow.engine import facts, names, requests
from wflow.engine.changes import Ended, Rested, Told
from wflow.engine.facts import LOGGED, MOVED, Moved, Received
from wflow.engine.outcome import Failure
from wflow.errors import InstanceEnded, InstanceNotFound, InvalidInput, StoreError, TooMany
from wflow.stores import pieces
from wflow.stores.store import Absent, Appended, Batch, Cell, Instance, Past, Pressure, Store

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from wflow.engine.changes import Change
    from wflow.engine.facts import Fact

NOBODY = 999_999


@pytest.fixture
def store(shop: Shop) -> Store:
    return shop.store


# -- creating ---------------------------------------------------------------------------------------------


async def test_what_is_created_is_queued_with_all_it_was_given(shop: Shop):
    (key,) = await shop.create("a", at=5)
    assert await shop.get("a") == Instance(
        key=key,
        workflow="shop",
        id="a",
        version="v1",
        status="queued",
        created_at=5,
        modified_at=5,
        started_at=None,
        ended_at=None,
        wake_at=None,
        trigger="api",
        params=b"\xc0",
        output=None,
        failure=None,
    )


async def test_a_claim_has_the_seed_that_an_instance_was_created_with(shop: Shop):
    (one,) = [await shop.claimed("a", seed=bytes(range(16)))]
    (other,) = [await shop.claimed("b")]
    assert (one.seed, other.seed) == (bytes(range(16)), b"")
    await shop.rest(one, 30)
    (again,) = await shop.claim(now=30)
    assert (again.seed, again.started_at) == (one.seed, 10)


async def test_keys_grow_in_the_order_of_creation(shop: Shop):
    keys = await shop.create("b", "a") + await shop.create("c")
    assert keys == sorted(keys)
    assert len(set(keys)) == 3


async def test_an_id_that_its_workflow_has_already_creates_nothing(store: Store):
    (first,) = await store.create([new("a", at=1)])
    keys = await store.create([new("a", at=2), new("b", at=2), new("b", at=3)])
    assert keys[0] is None
    assert keys[1] is not None
    assert keys[2] is None
    found = await store.find("shop")
    assert [(one.key, one.created_at) for one in found] == [(keys[1], 2), (first, 1)]


async def test_an_id_may_be_used_again_by_another_workflow(shop: Shop):
    (one,) = await shop.create("a")
    (other,) = await shop.create("a", workflow="mail")
    assert one != other
    assert (await shop.get("a", workflow="mail")).key == other


async def test_an_id_is_taken_even_when_its_instance_has_ended(shop: Shop):
    await shop.end(await shop.claimed("a"))
    assert await shop.store.create([new("a")]) == [None]


async def test_creating_nothing_is_nothing(store: Store):
    assert await store.create([]) == []


async def test_a_full_queue_refuses_the_whole_call(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(names, "QUEUED", 3)
    await shop.create("a", "b")
    with pytest.raises(TooMany, match="workflow 'shop' has 2 queued instances; the limit is 3"):
        await shop.create("c", "d")
    assert await shop.store.counts("shop") == {"queued": 2}
    await shop.create("c")
    await shop.create("a", "b", workflow="mail")
    await shop.claim(1)
    await shop.create("d")


async def test_a_full_queue_has_room_again_and_knows_who_came_back(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(names, "QUEUED", 3)
    await shop.create("a", "b", "c")
    a, b = await shop.claim(2)
    await shop.create("d")
    await shop.end(a)
    await shop.store.restart(a.key, version="v1", seed=b"", now=30)
    with pytest.raises(TooMany, match="has 3 queued instances"):
        await shop.create("e")
    await shop.store.move((await shop.get("c")).key, "pause", now=31)
    await shop.create("e")
    await shop.store.move((await shop.get("c")).key, "resume", now=32)
    with pytest.raises(TooMany, match="has 4 queued instances"):
        await shop.create("f")
    await shop.store.delete([a.key, (await shop.get("d")).key], now=33)
    await shop.create("f")
    await shop.rest(b, 99)
    assert (await shop.store.counts("shop"))["queued"] == 3


async def test_of_a_batch_with_ids_that_are_taken_the_others_are_created(shop: Shop):
    await shop.create(*(f"i{n}" for n in range(0, 100, 7)))
    keys = await shop.store.create([new(f"i{n}", tags=["t"]) for n in range(100)] + [new("i99")])
    assert [key is None for key in keys] == [n % 7 == 0 for n in range(100)] + [True]
    assert [one.id for one in await shop.store.find("shop", tag="t", newest_first=False)] == [
        f"i{n}" for n in range(100) if n % 7
    ]
    assert (await shop.store.counts("shop")) == {"queued": 100}


async def test_the_versions_are_named_that_unfinished_instances_are_on(shop: Shop):
    async def on(version: str, *, workflow: str = "shop") -> None:
        await shop.store.create([msgspec.structs.replace(new(version, workflow=workflow), version=version)])

    assert await shop.store.versions(["shop"]) == set()
    for number, status in ((2, "complete"), (3, "errored"), (4, "terminated")):
        await on(f"v{number}")
        (claim,) = await shop.claim()
        await shop.end(claim, status)
    for version in ("v5", "v6", "v7"):
        await on(version)
    rests, stays, _runs = await shop.claim()
    await shop.rest(rests, 99)
    await shop.hold(stays)
    await on("v1")
    await on("v9", workflow="mail")
    assert await shop.store.versions(["shop"]) == {"v1", "v5", "v6", "v7"}
    assert await shop.store.versions(["shop", "mail", "nothing"]) == {"v1", "v5", "v6", "v7", "v9"}
    assert await shop.store.versions([]) == set()


# -- claiming ---------------------------------------------------------------------------------------------


async def test_queued_instances_are_claimed_first_in_first_out(shop: Shop):
    keys = await shop.create("c", "a", "b")
    assert [claim.key for claim in await shop.claim(2)] == keys[:2]
    assert [claim.key for claim in await shop.claim(2)] == keys[2:]
    assert await shop.claim(2) == []


async def test_a_claim_tells_what_is_needed_to_play(shop: Shop):
    (key,) = await shop.create("a", at=5)
    (claim,) = await shop.claim(now=7)
    told = (claim.key, claim.workflow, claim.id, claim.version, claim.created_at, claim.params)
    assert told == (key, "shop", "a", "v1", 5, b"\xc0")
    assert (claim.seq, claim.has_events) == (0, False)
    found = await shop.get("a")
    assert (found.status, found.started_at, found.modified_at) == ("running", 7, 7)


async def test_an_instance_is_claimed_by_one_at_a_time(shop: Shop):
    await shop.claimed()
    assert await shop.claim(now=10**12) == []


async def test_each_claim_has_an_epoch_of_its_own(shop: Shop):
    first = await shop.claimed()
    await shop.rest(first, 30)
    (second,) = await shop.claim(now=30)
    assert second.epoch > first.epoch


async def test_due_instances_go_before_queued_ones_the_longest_due_first(shop: Shop):
    await shop.create("a", "b", "c")
    one, two, three = await shop.claim()
    await shop.rest(one, 300)
    await shop.rest(two, 200)
    await shop.rest(three, 999)
    await shop.create("d", "e")
    assert [claim.id for claim in await shop.claim(3, now=300)] == ["b", "a", "d"]
    assert [claim.id for claim in await shop.claim(3, now=999)] == ["c", "e"]


async def test_an_instance_is_due_at_its_instant_and_not_before(shop: Shop):
    await shop.rest(await shop.claimed(), 100)
    assert await shop.claim(now=99) == []
    assert [claim.id for claim in await shop.claim(now=100)] == ["a"]


async def test_each_workflow_is_claimed_up_to_its_own_number(shop: Shop):
    await shop.create("a", "b")
    await shop.create("x", "y", workflow="mail")
    claims = await shop.store.claim({"shop": 1, "mail": 5, "unknown": 3}, owner="me", now=10)
    assert [(claim.workflow, claim.id) for claim in claims] == [("shop", "a"), ("mail", "x"), ("mail", "y")]


@pytest.mark.parametrize("count", [0, -1])
async def test_a_workflow_that_may_have_none_gets_none(shop: Shop, count: int):
    await shop.rest(await shop.claimed("a"), 10)
    await shop.create("b")
    assert await shop.claim(count) == []
    assert await shop.store.claim({}, owner="me", now=10) == []


async def test_a_claim_tells_where_the_journal_ends_and_whether_events_wait(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, line("one"), line("two"), change=Rested(claim.key, 20, 30, []))
    await shop.store.deliver(claim.key, "paid", b"", now=25)
    (again,) = await shop.claim(now=30)
    assert (again.seq, again.has_events) == (2, True)


async def test_an_instance_keeps_the_time_it_first_started(shop: Shop):
    await shop.rest(await shop.claimed(now=10), 30)
    await shop.claim(now=40)
    assert (await shop.get("a")).started_at == 10


# -- appending --------------------------------------------------------------------------------------------


async def test_what_is_appended_is_read_back_in_order(shop: Shop):
    claim = await shop.claimed()
    said: list[Fact] = [line("one"), line("two"), Moved("running", 16)]
    assert await shop.say(claim, *said) == []
    assert await shop.facts(claim.key) == said
    (past,) = (await shop.store.load({claim.key: 0})).values()
    assert (past.seq, [facts.decode(raw) for raw in past.records]) == (3, said)
    records = await shop.store.journal(claim.key)
    assert [(r.instance, r.seq, r.tag, r.at, r.workflow, r.id) for r in records] == [
        (claim.key, 1, LOGGED, 15, "shop", "a"),
        (claim.key, 2, LOGGED, 15, "shop", "a"),
        (claim.key, 3, MOVED, 16, "shop", "a"),
    ]


async def test_an_append_under_a_claim_that_is_over_is_refused_with_nothing_written(shop: Shop):
    first = await shop.claimed()
    await shop.rest(first, 30)
    (second,) = await shop.claim(now=30)
    assert await shop.say(first, line("late"), change=Ended(first.key, 40, "complete")) == [first.key]
    assert await shop.facts(first.key) == []
    assert await shop.status("a") == "running"
    assert await shop.say(second, line("in time")) == []


async def test_an_append_after_the_end_of_the_same_claim_is_refused(shop: Shop):
    claim = await shop.claimed()
    await shop.rest(claim, 30)
    assert await shop.say(claim, line("late")) == [claim.key]
    assert await shop.facts(claim.key) == []


async def test_the_other_instances_of_a_batch_with_a_stale_claim_are_kept(shop: Shop):
    await shop.create("a", "b", "c")
    a, b, c = await shop.claim()
    await shop.rest(b, 30)
    claims = [(claim.key, claim.epoch) for claim in (a, b, c)]
    rows = [row for claim in (a, b, c) for row in numbered(claim.key, (line("x"),), after=0)]
    changes = [Ended(b.key, 20, "complete"), Ended(c.key, 20, "complete")]
    assert (await shop.store.append(Batch(claims=claims, rows=rows, changes=changes))).refused == [b.key]
    assert [len(await shop.facts(claim.key)) for claim in (a, b, c)] == [1, 0, 1]
    assert [await shop.status(id_) for id_ in "abc"] == ["running", "waiting", "complete"]


async def test_a_claim_that_was_never_given_is_refused(shop: Shop):
    (key,) = await shop.create("a")
    batch = Batch(
        claims=[(key, 0), (key, 1), (NOBODY, 1)], rows=numbered(key, (line("x"),), after=0), changes=()
    )
    assert (await shop.store.append(batch)).refused == [key, NOBODY]
    assert await shop.facts(key) == []


async def test_what_no_claim_of_the_batch_covers_is_refused(shop: Shop):
    await shop.create("a", "b")
    a, b = await shop.claim()
    (event,) = [(await shop.store.deliver(b.key, "paid", b"", now=11)).event]
    batch = Batch(
        claims=[(a.key, a.epoch)],
        rows=[*numbered(a.key, (line("x"),), after=0), *numbered(b.key, (line("y"),), after=0)],
        changes=[Ended(b.key, 20, "complete")],
        received=[event.event],
    )
    assert (await shop.store.append(batch)).refused == [b.key]
    assert [len(await shop.facts(claim.key)) for claim in (a, b)] == [1, 0]
    assert await shop.status("b") == "running"
    assert await shop.events(b.key) == [(event.event, "paid")]


@pytest.mark.parametrize("seqs", [[2], [0], [1, 3], [1, 1], [2, 1]])
async def test_a_journal_has_no_gap_and_no_number_twice(shop: Shop, seqs: list[int]):
    await shop.create("a", "b")
    a, b = await shop.claim()
    rows = [(a.key, seq, LOGGED, 15, facts.encode(line("x"))) for seq in seqs]
    rows += numbered(b.key, (line("y"),), after=0)
    batch = Batch(claims=[(a.key, a.epoch), (b.key, b.epoch)], rows=rows, changes=[Rested(a.key, 1, 2, [])])
    assert (await shop.store.append(batch)).refused == [a.key]
    assert [len(await shop.facts(claim.key)) for claim in (a, b)] == [0, 1]
    assert await shop.status("a") == "running"


async def test_a_journal_goes_on_after_a_move_has_added_its_record(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, line("one"))
    await shop.store.move(claim.key, "pause", now=20)
    await shop.say(claim, change=Rested(claim.key, 21, 100, []), after=1)
    await shop.store.move(claim.key, "resume", now=22)
    (again,) = await shop.claim(now=30)
    assert again.seq == 3
    assert await shop.say(again, line("two"), after=2) == [again.key]
    assert await shop.say(again, line("two")) == []


async def test_an_instance_that_ends_keeps_its_output(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, change=Ended(claim.key, 50, "complete", b"out"))
    found = await shop.get("a")
    assert (found.status, found.output, found.failure) == ("complete", b"out", None)
    assert (found.ended_at, found.modified_at, found.wake_at) == (50, 50, None)


async def test_an_instance_that_fails_keeps_its_failure(shop: Shop):
    claim = await shop.claimed()
    failure = Failure("Boom", "it went off", cause=FAILURE)
    await shop.say(claim, change=Ended(claim.key, 50, "errored", None, failure))
    found = await shop.get("a")
    assert found.failure is not None
    assert (found.status, found.output) == ("errored", None)
    assert msgspec.msgpack.decode(found.failure, type=Failure) == failure


async def test_an_instance_that_is_held_is_paused_and_tells_why(shop: Shop):
    claim = await shop.claimed()
    await shop.hold(claim)
    found = await shop.get("a")
    assert found.status == "paused"
    assert found.failure is not None
    assert await shop.claim(now=10**12) == []
    await shop.store.move(claim.key, "resume", now=30)
    assert [again.id for again in await shop.claim(now=30)] == ["a"]


async def test_what_ends_and_rests_in_one_batch_is_as_it_would_be_one_by_one(shop: Shop):
    """Those that end give their places to others, and tell their parents, all within one statement."""
    (parent,) = await shop.create("parent", workflow="mail")
    (held,) = await shop.claim(workflow="mail")
    for turn in ("first", "second"):
        for n in range(90):
            await shop.create(
                f"{turn}{n}",
                concurrency_key=f"k{n}",
                success_retention_ms=n,
                error_retention_ms=1_000 + n,
                parent=parent if turn == "first" else None,
                awaited=f".child-{n}",
            )
    claims = await shop.claim(200, per_key={"shop": 1})
    assert [claim.id for claim in claims] == [f"first{n}" for n in range(90)]
    assert await shop.claim(200, per_key={"shop": 1}) == []
    changes: list[Change] = [
        Rested(claim.key, 20 + n, 900 + n, [f"e{n}"] if n % 2 else [])
        if n % 3 == 0
        else Ended(claim.key, 20 + n, "complete", b"out%d" % n)
        if n % 3 == 1
        else Ended(claim.key, 20 + n, "errored", None, FAILURE)
        for n, claim in enumerate(claims)
    ]
    batch = Batch(claims=[(claim.key, claim.epoch) for claim in claims], changes=changes)
    appended = await shop.store.append(batch)
    assert appended.refused == []
    assert [one.event.type for one in appended.deliveries] == [f".child-{n}" for n in range(90) if n % 3]
    for n, claim in enumerate(claims):
        one = await shop.get(claim.id)
        kind = n % 3
        assert one.status == ("waiting", "complete", "errored")[kind]
        assert (one.wake_at, one.ended_at) == ((900 + n, None) if kind == 0 else (None, 20 + n))
        assert one.expires_at == (None, 20 + 2 * n, 1_020 + 2 * n)[kind]
        assert one.output == (b"out%d" % n if kind == 1 else None)
        assert (one.failure is not None) is (kind == 2)
        assert one.modified_at == 20 + n
    assert len(await shop.events(held.key)) == 60
    assert [claim.id for claim in await shop.claim(200, per_key={"shop": 1})] == [
        f"second{n}" for n in range(90)
    ]


async def test_an_empty_batch_does_nothing(store: Store):
    assert await store.append(Batch(claims=[])) == Appended([], [])


async def test_a_journal_is_loaded_from_beyond_a_seq(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, line("one"), line("two"), line("three"))
    past = await shop.store.load({claim.key: 2})
    assert [facts.decode(raw) for raw in past[claim.key].records] == [line("three")]
    assert past[claim.key].seq == 3
    past = await shop.store.load({claim.key: 3})
    assert (past[claim.key].records, past[claim.key].seq) == ([], 3)


async def test_many_journals_are_loaded_at_once(shop: Shop):
    await shop.create("a", "b")
    a, b = await shop.claim()
    await shop.say(a, line("one"))
    await shop.store.deliver(b.key, "paid", b"p", now=17)
    pasts = await shop.store.load({a.key: 0, b.key: 0})
    assert {key: (past.seq, len(past.records), len(past.events)) for key, past in pasts.items()} == {
        a.key: (1, 1, 0),
        b.key: (0, 0, 1),
    }
    assert await shop.store.load({}) == {}


async def test_a_journal_is_read_in_pages(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, *(line(str(n)) for n in range(5)))
    pages = [await shop.store.journal(claim.key, after=after, limit=2) for after in (0, 2, 4, 5)]
    assert [[record.seq for record in page] for page in pages] == [[1, 2], [3, 4], [5], []]


# -- resting and being given back -------------------------------------------------------------------------


async def test_an_instance_that_rests_waits_until_its_instant(shop: Shop):
    await shop.rest(await shop.claimed(), 100, at=30)
    found = await shop.get("a")
    assert (found.status, found.wake_at, found.modified_at) == ("waiting", 100, 30)


async def test_what_is_released_is_due_at_once_and_goes_on_where_it_was(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, line("one"))
    await shop.store.release([(claim.key, claim.epoch)], now=50)
    assert await shop.say(claim, line("late"), after=1) == [claim.key]
    (again,) = await shop.claim(now=50)
    assert (again.key, again.seq) == (claim.key, 1)
    assert again.epoch > claim.epoch


async def test_releasing_a_claim_that_is_over_changes_nothing(shop: Shop):
    claim = await shop.claimed()
    await shop.rest(claim, 100)
    (second,) = await shop.claim(now=100)
    await shop.store.release([(claim.key, claim.epoch), (NOBODY, 1)], now=101)
    assert await shop.claim(now=200) == []
    assert await shop.say(second, line("mine")) == []


async def test_a_claim_does_not_outlive_its_process(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, line("one"))
    await shop.reopen()
    assert await shop.say(claim, line("late"), after=1) == [claim.key]
    (again,) = await shop.claim(now=10)
    assert (again.key, again.seq) == (claim.key, 1)
    assert again.epoch > claim.epoch


# -- events -----------------------------------------------------------------------------------------------


async def test_an_event_is_kept_with_all_it_was_given(shop: Shop):
    (key,) = await shop.create("a")
    delivery = await shop.store.deliver(key, "paid", b"payload", now=40)
    event = delivery.event
    assert (event.type, event.payload, event.sent_at) == ("paid", b"payload", 40)
    assert not delivery.claimed
    (past,) = (await shop.store.load({key: 0})).values()
    assert [(each.event, each.type, each.payload, each.sent_at) for each in past.events] == [
        (event.event, "paid", b"payload", 40)
    ]


async def test_events_are_in_the_order_in_which_they_came(shop: Shop):
    (key,) = await shop.create("a")
    sent = [await shop.store.deliver(key, type_, b"", now=40) for type_ in ("b", "a", "b")]
    numbers = [delivery.event.event for delivery in sent]
    assert numbers == sorted(set(numbers))
    assert await shop.events(key) == list(zip(numbers, ("b", "a", "b"), strict=True))


async def test_a_delivery_tells_whether_somebody_holds_the_instance(shop: Shop):
    claim = await shop.claimed()
    assert (await shop.store.deliver(claim.key, "paid", b"", now=40)).claimed
    await shop.rest(claim, 100)
    assert not (await shop.store.deliver(claim.key, "paid", b"", now=41)).claimed


async def test_an_event_wakes_an_instance_that_rests_and_awaits_its_type(shop: Shop):
    await shop.rest(await shop.claimed(), 10**6, "paid", "shipped")
    (key,) = [(await shop.get("a")).key]
    await shop.store.deliver(key, "other", b"", now=50)
    assert await shop.claim(now=50) == []
    await shop.store.deliver(key, "shipped", b"", now=51)
    assert [claim.has_events for claim in await shop.claim(now=51)] == [True]


async def test_an_event_for_nobody_in_particular_wakes_nobody(shop: Shop):
    claim = await shop.claimed()
    await shop.rest(claim, 10**6)
    await shop.store.deliver(claim.key, "paid", b"", now=50)
    assert await shop.claim(now=60) == []


async def test_more_events_do_not_send_a_woken_instance_back_in_the_line(shop: Shop):
    await shop.create("a", "b")
    a, b = await shop.claim()
    await shop.rest(a, 10**6, "paid")
    await shop.rest(b, 55)
    await shop.store.deliver(a.key, "paid", b"", now=50)
    await shop.store.deliver(a.key, "paid", b"", now=60)
    assert [claim.id for claim in await shop.claim(1, now=70)] == ["a"]


async def test_resting_with_an_awaited_event_that_is_there_already_is_due_at_once(shop: Shop):
    claim = await shop.claimed()
    await shop.store.deliver(claim.key, "paid", b"", now=15)
    await shop.rest(claim, 10**6, "shipped", "paid", at=20)
    assert (await shop.get("a")).wake_at == 20
    assert [again.id for again in await shop.claim(now=20)] == ["a"]


async def test_whoever_rests_and_is_due_at_once_is_named_and_nobody_else_is(shop: Shop):
    a, b, c, d = [await shop.claimed(id_) for id_ in "abcd"]
    await shop.store.deliver(a.key, "paid", b"", now=15)
    await shop.store.deliver(b.key, "paid", b"", now=15)
    await shop.store.deliver(c.key, requests.CANCEL, b"", now=15)
    awaited = {a.key: ["paid"], b.key: ["shipped"], c.key: [], d.key: ["paid"]}
    rested = [Rested(key, 20, 10**6, types) for key, types in awaited.items()]
    claims = [(one.key, one.epoch) for one in (a, b, c, d)]
    appended = await shop.store.append(Batch(claims=claims, changes=rested))
    assert sorted(appended.due) == [a.key, c.key]
    assert [one.id for one in await shop.claim(now=20)] == ["a", "c"]


async def test_resting_with_an_event_that_nobody_awaits_waits(shop: Shop):
    claim = await shop.claimed()
    await shop.store.deliver(claim.key, "paid", b"", now=15)
    await shop.rest(claim, 10**6, "shipped")
    assert (await shop.get("a")).wake_at == 10**6


async def test_an_event_received_in_the_same_batch_as_the_rest_wakes_nobody(shop: Shop):
    claim = await shop.claimed()
    event = (await shop.store.deliver(claim.key, "paid", b"", now=15)).event
    await shop.say(claim, event, change=Rested(claim.key, 20, 10**6, ["paid"]))
    assert (await shop.get("a")).wake_at == 10**6


async def test_what_was_received_is_in_the_journal_and_nowhere_else(shop: Shop):
    claim = await shop.claimed()
    one = (await shop.store.deliver(claim.key, "paid", b"1", now=15)).event
    two = (await shop.store.deliver(claim.key, "paid", b"2", now=16)).event
    await shop.say(claim, one)
    assert await shop.events(claim.key) == [(two.event, "paid")]
    assert await shop.facts(claim.key) == [one]
    await shop.reopen()
    assert await shop.events(claim.key) == [(two.event, "paid")]


async def test_an_event_whose_receipt_was_refused_is_kept_for_the_next_holder(shop: Shop):
    first = await shop.claimed()
    event = (await shop.store.deliver(first.key, "paid", b"", now=15)).event
    await shop.store.release([(first.key, first.epoch)], now=16)
    assert await shop.say(first, event) == [first.key]
    assert await shop.events(first.key) == [(event.event, "paid")]


async def test_an_event_whose_receipt_does_not_follow_is_kept_for_the_next_holder(shop: Shop):
    claim = await shop.claimed()
    event = (await shop.store.deliver(claim.key, "paid", b"", now=15)).event
    assert await shop.say(claim, event, after=1) == [claim.key]
    assert await shop.events(claim.key) == [(event.event, "paid")]
    assert await shop.say(claim, event) == []


async def test_an_event_number_is_never_given_twice(shop: Shop):
    claim = await shop.claimed()
    one = (await shop.store.deliver(claim.key, "paid", b"", now=15)).event
    await shop.say(claim, one)
    await shop.reopen()
    two = (await shop.store.deliver(claim.key, "paid", b"", now=16)).event
    assert two.event > one.event


@pytest.mark.parametrize("end", ["complete", "errored", "terminated"])
async def test_an_instance_that_ended_takes_no_event_and_keeps_none(shop: Shop, end: str):
    claim = await shop.claimed()
    await shop.store.deliver(claim.key, "paid", b"", now=15)
    if end == "terminated":
        await shop.store.move(claim.key, "terminate", now=20)
    else:
        await shop.end(claim, end)
    assert await shop.events(claim.key) == []
    with pytest.raises(InstanceEnded, match="Cannot send an event to an instance on a finite state"):
        await shop.store.deliver(claim.key, "paid", b"", now=30)
    assert await shop.events(claim.key) == []


async def test_what_does_not_exist_takes_no_event(store: Store):
    with pytest.raises(InstanceNotFound):
        await store.deliver(NOBODY, "paid", b"", now=1)


async def test_events_that_nobody_awaits_have_a_limit(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(names, "EVENTS_BUFFERED", 2)
    (key, other) = await shop.create("a", "b")
    for number in range(2):
        await shop.store.deliver(key, "paid", b"", now=number)
    with pytest.raises(TooMany, match="holds 2 events that nobody has awaited"):
        await shop.store.deliver(key, "shipped", b"", now=3)
    assert len(await shop.events(key)) == 2
    await shop.store.deliver(other, "paid", b"", now=4)


# -- finding ----------------------------------------------------------------------------------------------


async def test_what_is_not_there_is_not_found(shop: Shop):
    await shop.create("a")
    assert await shop.store.find_one("shop", "b") is None
    assert await shop.store.find_one("mail", "a") is None
    assert await shop.store.find("mail") == []
    assert await shop.store.find("shop", status="complete") == []
    assert await shop.store.counts("mail") == {}


async def some_of_each(shop: Shop) -> None:
    """Leave 21 instances in four statuses, one after the other."""
    await shop.create(*(f"i{n}" for n in range(16)))
    claims = await shop.claim()
    for claim in claims:
        if claim.key % 4 == 1:
            await shop.rest(claim, 100)
        elif claim.key % 4 == 2:
            await shop.end(claim)
        elif claim.key % 4 == 3:
            await shop.end(claim, "errored")
    await shop.create(*(f"q{n}" for n in range(5)))
    await shop.create(*(f"m{n}" for n in range(3)), workflow="mail")


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 7, 100])
async def test_pages_have_every_instance_once_in_order(shop: Shop, newest_first: bool, limit: int):  # noqa: FBT001
    await some_of_each(shop)
    for status, count in [(None, 21), ("complete", 4), ("queued", 5), ("paused", 0)]:
        found: list[Instance] = []
        while page := await shop.store.find(
            "shop",
            status=status,
            after=found[-1].key if found else None,
            newest_first=newest_first,
            limit=limit,
        ):
            assert len(page) <= limit
            found += page
        keys = [one.key for one in found]
        assert keys == sorted(set(keys), reverse=newest_first)
        assert len(keys) == count
        assert {one.status for one in found} <= ({status} if status else {one.status for one in found})


async def test_the_newest_come_first_unless_it_is_said_otherwise(shop: Shop):
    keys = await shop.create("a", "b", "c")
    assert [one.key for one in await shop.store.find("shop")] == keys[::-1]
    assert [one.key for one in await shop.store.find("shop", after=keys[1])] == keys[:1]
    assert [one.key for one in await shop.store.find("shop", newest_first=False, after=keys[1])] == keys[2:]
    assert [one.key for one in await shop.store.find("shop", limit=1)] == keys[2:]


@pytest.mark.parametrize("newest_first", [True, False])
async def test_a_page_is_the_same_however_far_it_is(shop: Shop, newest_first: bool):  # noqa: FBT001
    """There are more of them than any store counts together."""
    total = 10_000
    for start in range(0, total, 1_000):
        await shop.create(*(f"i{n}" for n in range(start, start + 1_000)))
        await shop.create(*(f"other{n}" for n in range(start, start + 50)), workflow="mail")
    for claim in await shop.claim(900):
        await shop.end(claim)
    gone = [one.key for one in await shop.store.find("shop", status="queued", skip=5_000, limit=300)]
    await shop.store.delete(gone, now=30)

    async def pages(status: str | None, skip: int, after: int | None = None) -> list[int]:
        found = await shop.store.find(
            "shop", status=status, skip=skip, after=after, newest_first=newest_first, limit=7
        )
        return [one.key for one in found]

    for status in ("queued", "complete", None):
        whole = await shop.store.find("shop", status=status, newest_first=newest_first, limit=total)
        keys = [one.key for one in whole]
        assert len(keys) == {"queued": 8_800, "complete": 900, None: 9_700}[status]
        for skip in (0, 1, 893, 899, 900, 4_000, 4_095, 4_096, 4_101, 8_192, 8_795, 9_693, 9_699, 50_000):
            assert await pages(status, skip) == keys[skip : skip + 7]
        for at in (0, 3, 850):
            for skip in (0, 5, 4_090, 4_097, 8_500):
                start = at + 1 + skip
                assert await pages(status, skip, after=keys[at]) == keys[start : start + 7]


async def test_instances_are_counted_by_status(shop: Shop):
    await some_of_each(shop)
    assert await shop.store.counts("shop") == {
        "running": 4,
        "waiting": 4,
        "complete": 4,
        "errored": 4,
        "queued": 5,
    }


async def test_the_next_instance_that_is_due_is_known_by_its_instant(shop: Shop):
    assert await shop.store.due_at(["shop", "mail"]) is None
    await shop.create("a", "b")
    a, b = await shop.claim()
    assert await shop.store.due_at(["shop"]) is None
    await shop.rest(a, 300)
    await shop.rest(b, 200, "paid")
    await shop.create("x", workflow="mail")
    (x,) = await shop.claim(workflow="mail")
    await shop.rest(x, 100)
    assert await shop.store.due_at(["shop"]) == 200
    assert await shop.store.due_at(["shop", "mail"]) == 100
    assert await shop.store.due_at([]) is None
    await shop.store.deliver(b.key, "paid", b"", now=50)
    assert await shop.store.due_at(["shop"]) == 50
    await shop.claim(now=300)
    assert await shop.store.due_at(["shop"]) is None


async def test_a_list_is_of_one_moment_while_instances_move(shop: Shop):
    await shop.create(*(f"i{n}" for n in range(40)))
    over = asyncio.Event()

    async def move_them() -> None:
        for _ in range(3):
            claims = await shop.claim(40, now=100)
            for claim in claims:
                await shop.rest(claim, 100)
        over.set()

    moving = asyncio.create_task(move_them())
    while not over.is_set():
        keys = [one.key for one in await shop.store.find("shop")]
        assert len(keys) == len(set(keys)) == 40
    await moving


# -- tags, and what the code wants shown -------------------------------------------------------------------


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_lists_have_those_with_a_tag_in_pages(shop: Shop, newest_first: bool, limit: int):  # noqa: FBT001
    for n in range(9):
        await shop.create(f"i{n}", tags=["all", "odd" if n % 2 else "even"])
    await shop.create("bare")
    await shop.create("x", workflow="mail", tags=["all", "odd"])
    for claim in await shop.claim(4):
        await shop.end(claim)
    for tag, status, count in [
        ("all", None, 9),
        ("odd", None, 4),
        ("all", "complete", 4),
        ("even", "queued", 3),
        ("all", "paused", 0),
        ("ALL", None, 0),
    ]:
        found: list[Instance] = []
        while page := await shop.store.find(
            "shop",
            status=status,
            tag=tag,
            after=found[-1].key if found else None,
            newest_first=newest_first,
            limit=limit,
        ):
            assert len(page) <= limit
            found += page
        keys = [one.key for one in found]
        assert keys == sorted(set(keys), reverse=newest_first)
        assert len(keys) == count
        assert all(tag in one.tags for one in found)


async def test_tags_are_shown_as_they_were_given_and_once(shop: Shop):
    (key,) = await shop.create("a", tags=["zebra", "ant", "zebra", "Bee", "100 %"])
    assert (await shop.get("a")).tags == ("zebra", "ant", "Bee", "100 %")
    assert [one.key for one in await shop.store.find("shop", tag="zebra")] == [key]
    assert await shop.store.create([new("a", tags=["late"])]) == [None]
    assert await shop.store.find("shop", tag="late") == []


async def test_what_the_code_tells_is_shown_until_it_tells_something_else(shop: Shop):
    claim = await shop.claimed("a", tags=["old"])
    assert (await shop.get("a")).shown is None
    await shop.say(claim, line("one"), change=Told(claim.key, 30, b"\x01"))
    found = await shop.get("a")
    assert (found.shown, found.tags, found.status, found.modified_at) == (b"\x01", ("old",), "running", 30)
    await shop.say(claim, change=Told(claim.key, 31, None, ["new", "newer"]), after=1)
    found = await shop.get("a")
    assert (found.shown, found.tags) == (b"\x01", ("new", "newer"))
    assert await shop.store.find("shop", tag="old") == []
    await shop.append(
        claim, changes=[Told(claim.key, 32, b"\x02", []), Ended(claim.key, 33, "complete")], after=1
    )
    found = await shop.get("a")
    assert (found.shown, found.tags, found.status) == (b"\x02", (), "complete")


async def test_what_is_told_without_a_claim_is_refused(shop: Shop):
    claim = await shop.claimed("a", tags=["old"])
    await shop.rest(claim, 30)
    assert await shop.say(claim, change=Told(claim.key, 31, b"\x01", ["new"])) == [claim.key]
    found = await shop.get("a")
    assert (found.shown, found.tags) == (None, ("old",))


async def test_the_tags_of_what_is_deleted_are_gone(shop: Shop):
    (key,) = await shop.create("a", tags=["vip"])
    await shop.store.delete([key], now=20)
    assert await shop.store.find("shop", tag="vip") == []
    await shop.create("a")
    assert (await shop.get("a")).tags == ()


# -- retention --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "expires_at"),
    [("complete", 150), ("errored", 1_050), ("cancelled", 1_050), ("terminated", 1_050)],
)
async def test_an_instance_is_kept_as_long_as_its_end_deserves(shop: Shop, how: str, expires_at: int):
    claim = await shop.claimed("a", success_retention_ms=100, error_retention_ms=1_000)
    assert (await shop.get("a")).expires_at is None
    if how == "terminated":
        assert (await shop.store.move(claim.key, "terminate", now=50)).instance.expires_at == expires_at
    else:
        await shop.end(claim, "terminated" if how == "cancelled" else how, at=50)
    assert (await shop.get("a")).expires_at == expires_at
    assert await shop.store.retire(now=expires_at - 1, limit=10) == 0
    assert await shop.store.retire(now=expires_at, limit=10) == 1
    assert await shop.store.find_one("shop", "a") is None


@pytest.mark.parametrize("how", ["complete", "terminated"])
async def test_without_a_retention_an_instance_is_kept_for_ever(shop: Shop, how: str):
    await shop.end(await shop.claimed("a", success_retention_ms=None), how)
    assert await shop.store.retire(now=10**15, limit=10) == 0
    assert (await shop.get("a")).expires_at is None


async def test_no_retention_at_all_is_over_at_once(shop: Shop):
    await shop.end(await shop.claimed("a", success_retention_ms=0), at=50)
    assert await shop.store.retire(now=50, limit=10) == 1


async def test_what_has_not_ended_is_never_retired(shop: Shop):
    await shop.create("a", "b", "c", "d", success_retention_ms=0, error_retention_ms=0)
    _, b, c = await shop.claim(3)
    await shop.rest(b, 20)
    await shop.hold(c)
    assert await shop.store.retire(now=10**15, limit=10) == 0
    assert await shop.store.counts("shop") == {"running": 1, "waiting": 1, "paused": 1, "queued": 1}


async def test_a_restart_takes_an_instance_out_of_its_retention(shop: Shop):
    claim = await shop.claimed("a", success_retention_ms=100)
    await shop.end(claim, at=50)
    assert (await shop.store.restart(claim.key, version="v1", seed=b"", now=60)).instance.expires_at is None
    assert await shop.store.retire(now=10**15, limit=10) == 0
    (again,) = await shop.claim(now=70)
    await shop.end(again, at=80)
    assert (await shop.get("a")).expires_at == 180


async def test_retiring_takes_a_few_at_a_time_the_oldest_first_with_all_they_have(shop: Shop):
    await shop.create(*"abcde", success_retention_ms=100, tags=["vip"])
    claims = await shop.claim()
    for at, claim in zip((50, 20, 30, 10, 40), claims, strict=True):
        await shop.say(claim, line("x"), change=Ended(claim.key, at, "complete", b"out"))
    assert await shop.store.retire(now=145, limit=3) == 3
    assert [one.id for one in await shop.store.find("shop", tag="vip")] == ["e", "a"]
    assert ids(await shop.store.tail(0)) == [("a", 1), ("e", 1)]
    assert await shop.store.retire(now=145, limit=3) == 1
    assert await shop.store.retire(now=145, limit=3) == 0
    assert await shop.create("b", "c", "d", "e")


async def test_keys_and_positions_of_what_was_retired_are_not_used_again(shop: Shop):
    claim = await shop.claimed("a", success_retention_ms=0)
    await shop.say(claim, line("x"), change=Ended(claim.key, 20, "complete"))
    position = await shop.store.position()
    assert await shop.store.retire(now=20, limit=10) == 1
    await shop.reopen()
    again = await shop.claimed("a")
    await shop.say(again, line("y"))
    assert again.key > claim.key
    assert ids(await shop.store.tail(position)) == [("a", 1)]


# -- deleting ---------------------------------------------------------------------------------------------


async def test_what_is_deleted_is_gone_with_all_it_had(shop: Shop):
    claim = await shop.claimed("a")
    await shop.say(claim, line("one"))
    await shop.store.deliver(claim.key, "paid", b"", now=15)
    (other,) = await shop.create("b")
    assert await shop.store.delete([claim.key, NOBODY], now=16) == []
    assert await shop.store.find_one("shop", "a") is None
    assert await shop.facts(claim.key) == []
    assert await shop.events(claim.key) == []
    assert await shop.store.tail(0) == []
    assert [one.key for one in await shop.store.find("shop")] == [other]
    assert await shop.say(claim, line("late"), after=1) == [claim.key]
    assert await shop.store.delete([claim.key], now=17) == []
    with pytest.raises(InstanceNotFound):
        await shop.store.move(claim.key, "terminate", now=20)


@pytest.mark.parametrize("how", ["delete", "retire", "restart"])
async def test_the_pieces_of_its_streams_go_with_an_instance_and_no_others(shop: Shop, how: str):
    claim = await shop.claimed("a", success_retention_ms=0)
    spaces = [pieces.space(claim.key), pieces.space(claim.key * 10), "kv"]
    await shop.store.write(
        [cell(pieces.key("load-1", "a", n), space=space) for space in spaces for n in range(3)]
    )
    if how == "restart":
        await shop.store.restart(claim.key, version="v1", seed=b"", now=20)
    elif how == "delete":
        await shop.store.delete([claim.key], now=20)
    else:
        await shop.end(claim)
        await shop.store.retire(now=20, limit=1)
    assert [len(await shop.store.scan(space, now=1)) for space in spaces] == [0, 3, 3]


@pytest.mark.parametrize("how", ["delete", "retire"])
async def test_a_long_journal_is_gone_at_once_and_leaves_piece_by_piece(shop: Shop, how: str):
    claim = await shop.claimed("a", success_retention_ms=0)
    short = await shop.claimed("b")
    for start in range(0, 5_000, 500):
        assert await shop.say(claim, *[line("x")] * 500, after=start) == []
    for key in ("k1", "k2"):
        await shop.store.write([pieces.cell(claim.key, key, b"piece") for key in [key] * 20])
    await shop.store.note([(LOGGED, 30, facts.encode(line("worker")))])
    await shop.say(short, line("stays"))
    if how == "delete":
        await shop.store.delete([claim.key], now=30)
    else:
        await shop.end(claim)
        assert await shop.store.retire(now=30, limit=10) == 1
    for _ in range(2):
        assert await shop.store.find_one("shop", "a") is None
        assert await shop.store.journal(claim.key) == []
        assert (await shop.store.load({claim.key: 0}))[claim.key] == Past(seq=0, records=[], events=[])
        assert ids(await shop.store.tail(0)) == [(None, 0), ("b", 1)]
        assert ids(await shop.store.tail(0, tags=[LOGGED])) == [(None, 0), ("b", 1)]
        assert await shop.store.read(pieces.space(claim.key), ["k1"], now=1) == {}
        await shop.reopen()
        assert await shop.store.retire(now=30, limit=10) == 0


async def test_a_long_journal_that_is_deleted_twice_at_once_is_gone_once(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, *[line("x")] * 2_500)
    both = await asyncio.gather(*(shop.store.delete([claim.key], now=30) for _ in range(2)))
    assert both == [[], []]
    assert await shop.store.delete([claim.key, claim.key], now=31) == []


async def test_the_id_of_a_deleted_instance_is_free(shop: Shop):
    (key,) = await shop.create("a")
    await shop.store.delete([key], now=20)
    (again,) = await shop.create("a")
    assert again > key


async def test_keys_and_positions_of_deleted_instances_are_not_used_again_after_a_restart(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, line("one"), line("two"))
    position = await shop.store.position()
    await shop.store.delete([claim.key], now=20)
    await shop.reopen()
    again = await shop.claimed("b")
    await shop.say(again, line("three"))
    assert again.key > claim.key
    assert ids(await shop.store.tail(position)) == [("b", 1)]


# -- the tail ---------------------------------------------------------------------------------------------


async def two_journals_and_a_note(shop: Shop) -> None:
    await shop.create("a")
    await shop.create("x", workflow="mail")
    (a,) = await shop.claim()
    (x,) = await shop.claim(workflow="mail")
    await shop.say(a, line("one", 100))
    await shop.say(x, line("two", 200), Moved("running", 200))
    await shop.store.note([(LOGGED, 300, facts.encode(line("three", 300)))])
    await shop.say(a, line("four", 400), after=1)


async def test_the_tail_has_every_record_in_the_order_of_commits(shop: Shop):
    await two_journals_and_a_note(shop)
    records = await shop.store.tail(0)
    assert ids(records) == [("a", 1), ("x", 1), ("x", 2), (None, 0), ("a", 2)]
    assert [record.at for record in records] == [100, 200, 200, 300, 400]
    positions = [record.position for record in records]
    assert positions == sorted(set(positions))
    assert positions[-1] == await shop.store.position()
    note = records[3]
    assert (note.instance, note.workflow, note.tag) == (None, None, LOGGED)
    assert facts.decode(note.body) == line("three", 300)


async def test_the_tail_goes_on_from_beyond_a_position(shop: Shop):
    await two_journals_and_a_note(shop)
    everything = await shop.store.tail(0)
    for n, record in enumerate(everything, 1):
        assert await shop.store.tail(record.position) == everything[n:]
    assert await shop.store.tail(0, limit=2) == everything[:2]


async def test_the_tail_is_filtered_by_tag_workflow_and_instance(shop: Shop):
    await two_journals_and_a_note(shop)
    assert ids(await shop.store.tail(0, tags=[MOVED])) == [("x", 2)]
    assert ids(await shop.store.tail(0, workflow="mail", tags=[LOGGED, MOVED])) == [
        ("x", 1),
        ("x", 2),
        (None, 0),
    ]
    assert ids(await shop.store.tail(0, workflow="shop", instance="a")) == [("a", 1), (None, 0), ("a", 2)]
    assert ids(await shop.store.tail(0, workflow="shop", instance="x")) == [(None, 0)]


async def test_positions_go_on_after_a_restart(shop: Shop):
    await two_journals_and_a_note(shop)
    position = await shop.store.position()
    await shop.reopen()
    assert await shop.store.position() == position
    await shop.store.note([(LOGGED, 500, b"")])
    assert [record.at for record in await shop.store.tail(position)] == [500]


@pytest.mark.parametrize(
    ("at", "after"),
    [(0, 0), (100, 0), (101, 1), (200, 1), (201, 3), (300, 3), (400, 4), (401, 5), (10**12, 5)],
)
async def test_a_position_is_found_by_its_time(shop: Shop, at: int, after: int):
    await two_journals_and_a_note(shop)
    everything = await shop.store.tail(0)
    assert await shop.store.tail(await shop.store.position(at=at)) == everything[after:]


async def test_an_empty_store_is_at_the_beginning(store: Store):
    assert await store.position() == 0
    assert await store.position(at=10**12) == 0
    assert await store.tail(0) == []


async def test_a_position_is_found_by_its_time_when_there_are_holes(shop: Shop):
    await shop.create("a", "b", "c")
    a, b, c = await shop.claim()
    for claim, at in ((a, 100), (b, 200), (c, 300)):
        await shop.say(claim, line("x", at))
    await shop.store.delete([b.key], now=20)
    assert ids(await shop.store.tail(await shop.store.position(at=150))) == [("c", 1)]
    assert ids(await shop.store.tail(await shop.store.position(at=100))) == [("a", 1), ("c", 1)]
    await shop.store.delete([a.key, c.key], now=20)
    assert await shop.store.tail(await shop.store.position(at=150)) == []


async def test_commits_that_add_records_are_told_on_the_loop(shop: Shop):
    told: list[int] = []
    loop = asyncio.get_running_loop()
    shop.store.on_commit(
        lambda position: told.append(position) if asyncio.get_running_loop() is loop else None
    )
    claim = await shop.claimed()
    assert told == []
    await shop.say(claim, line("one"), line("two"))
    assert told == [await shop.store.position()]
    await shop.store.note([(LOGGED, 1, b"")])
    assert told[1:] == [await shop.store.position()]


# -- lines that belong to no instance -----------------------------------------------------------------------


async def notes(shop: Shop) -> list[int]:
    return [record.at for record in await shop.store.tail(0) if record.instance is None]


async def test_old_lines_leave_and_journals_do_not(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, line("one", 1))
    await shop.store.note([(LOGGED, at, b"") for at in (10, 20, 30)])
    assert await shop.store.trim(before=20, keep=100, limit=100) == 1
    assert await notes(shop) == [20, 30]
    assert await shop.store.trim(before=20, keep=100, limit=100) == 0
    assert await shop.facts(claim.key) == [line("one", 1)]


async def test_about_as_many_lines_are_kept_as_it_is_told_and_these_are_the_newest(shop: Shop):
    await shop.store.note([(LOGGED, at, b"") for at in range(10)])
    assert await shop.store.trim(before=0, keep=3, limit=100) in {6, 7}
    assert (await notes(shop))[-3:] == [7, 8, 9]


async def test_lines_leave_a_few_at_a_time_the_oldest_first(shop: Shop):
    await shop.store.note([(LOGGED, at, b"") for at in range(10)])
    assert await shop.store.trim(before=100, keep=100, limit=4) == 4
    assert await notes(shop) == [4, 5, 6, 7, 8, 9]
    assert await shop.store.trim(before=100, keep=100, limit=100) == 6
    assert await shop.store.trim(before=100, keep=100, limit=100) == 0


async def test_the_positions_of_lines_that_left_are_not_used_again_after_a_restart(shop: Shop):
    await shop.store.note([(LOGGED, at, b"") for at in range(10)])
    position = await shop.store.position()
    await shop.store.trim(before=100, keep=100, limit=100)
    await shop.reopen()
    await shop.store.note([(LOGGED, 200, b"")])
    assert [record.at for record in await shop.store.tail(position)] == [200]


# -- cells ------------------------------------------------------------------------------------------------


def cell(key: str, value: bytes = b"v", *, space: str = "kv", expires_at: int | None = None) -> Cell:
    return Cell(space=space, key=key, value=value, meta=b"m", expires_at=expires_at)


async def test_a_cell_is_read_as_it_was_written(store: Store):
    await store.write([cell("a", b"1"), cell("b", b"2", expires_at=100), cell("a", b"3", space="other")])
    assert await store.read("kv", ["a", "b", "c"], now=1) == {
        "a": cell("a", b"1"),
        "b": cell("b", b"2", expires_at=100),
    }
    assert await store.read("other", ["a", "a"], now=1) == {"a": cell("a", b"3", space="other")}
    assert await store.read("kv", [], now=1) == {}


async def test_a_cell_is_written_over_with_all_it_has(store: Store):
    await store.write([cell("a", b"1", expires_at=100)])
    await store.write([Cell(space="kv", key="a", value=b"2")])
    assert await store.read("kv", ["a"], now=1000) == {"a": Cell(space="kv", key="a", value=b"2")}


async def test_changes_of_cells_are_made_in_their_order(store: Store):
    gone = Absent(space="kv", key="a")
    await store.write([cell("a", b"1"), gone, cell("b"), gone, cell("a", b"2"), Absent(space="kv", key="b")])
    assert await store.read("kv", ["a", "b"], now=1) == {"a": cell("a", b"2")}


async def test_expired_cells_are_deleted_a_few_at_a_time_and_no_others(store: Store):
    await store.write([cell(key, expires_at=100) for key in "abc"])
    await store.write([cell("later", expires_at=101), cell("never")])
    assert [await store.expire(now=100, limit=2) for _ in range(3)] == [2, 1, 0]
    # Seen from before their time, what is deleted is gone all the same.
    assert [left.key for left in await store.scan("kv", now=1)] == ["later", "never"]


async def test_an_expired_cell_is_not_there(store: Store):
    await store.write([cell("a", expires_at=100)])
    assert list(await store.read("kv", ["a"], now=99)) == ["a"]
    assert await store.read("kv", ["a"], now=100) == {}
    assert [each.key for each in await store.scan("kv", now=99)] == ["a"]
    assert await store.scan("kv", now=100) == []


async def test_cells_are_listed_in_the_order_of_utf8_without_their_values(store: Store):
    keys = ["b", "a", "ab", "", "é", "\U0001f600", "z", "\uffff", "A", "a\x00", "a\x01"]
    await store.write([cell(key) for key in keys if key] + [cell("other", space="elsewhere")])
    listed = await store.scan("kv", now=1)
    assert [each.key for each in listed] == sorted((key for key in keys if key), key=str.encode)
    assert {(each.value, each.meta) for each in listed} == {(b"", b"m")}


ODD = [
    "a%",
    "a%b",
    "a_",
    "a_b",
    "aXb",
    "a*",
    "a?",
    "a[b]",
    "a\\b",
    "a'b",
    "a\x00b",
    "a\x00c",
    "é1",
    "é2",
    "ê",
]
EDGES = ["\U0010ffff", "\U0010ffff\U0010ffffx", "x\U0010ffff", "x\U0010ffffy", "y", "\ud7ff1", "\ue0001"]


@pytest.mark.parametrize(
    "prefix",
    [
        *("", "a", "A", "nothing", "a%", "a_", "a*", "a?", "a[", "a\\", "a'", "a\x00", "é"),
        *("\U0010ffff", "\U0010ffff\U0010ffff", "x\U0010ffff", "\ud7ff"),
    ],
)
async def test_a_prefix_is_meant_letter_by_letter(store: Store, prefix: str):
    await store.write([cell(key) for key in ODD + EDGES])
    wanted = sorted((key for key in ODD + EDGES if key.startswith(prefix)), key=str.encode)
    assert [each.key for each in await store.scan("kv", now=1, prefix=prefix)] == wanted


@pytest.mark.parametrize("prefix", ["", "a", "x"])
@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_pages_of_cells_have_each_once(store: Store, prefix: str, limit: int):
    await store.write([cell(key) for key in ODD + EDGES])
    found: list[str] = []
    while page := await store.scan("kv", now=1, prefix=prefix, after=found[-1] if found else "", limit=limit):
        assert len(page) <= limit
        found += [each.key for each in page]
    assert found == sorted((key for key in ODD + EDGES if key.startswith(prefix)), key=str.encode)


async def test_a_page_may_begin_before_or_beyond_the_prefix(store: Store):
    await store.write([cell(key) for key in ("a", "b1", "b2", "c")])
    assert [each.key for each in await store.scan("kv", now=1, prefix="b", after="a")] == ["b1", "b2"]
    assert [each.key for each in await store.scan("kv", now=1, prefix="b", after="b1")] == ["b2"]
    assert await store.scan("kv", now=1, prefix="b", after="c") == []


async def test_a_cell_that_was_read_is_read_as_it_is_by_now(store: Store):
    await store.write([cell("a", value=b"1", expires_at=50), cell("b", value=b"1")])
    for _ in range(2):
        assert (await store.read("kv", ["a"], now=1))["a"].value == b"1"
    assert list(await store.read("kv", ["a", "b"], now=49)) == ["a", "b"]
    assert list(await store.read("kv", ["a", "b"], now=50)) == ["b"]
    for n in range(20):
        written = str(n).encode()
        told = await asyncio.gather(
            store.read("kv", ["b"], now=1),
            store.write([cell("b", value=written)]),
            store.read("kv", ["b"], now=1),
        )
        assert {one["b"].value for one in told if one} <= {written, b"1" if n == 0 else str(n - 1).encode()}
        assert (await store.read("kv", ["b"], now=1))["b"].value == written
    await store.write([Absent(space="kv", key="b")])
    assert await store.read("kv", ["b"], now=1) == {}
    with pytest.raises(InvalidInput):
        await store.write([cell("a", value=b"2"), cell("\ud800")])
    assert (await store.read("kv", ["a"], now=1))["a"].value == b"1"


async def test_cells_are_written_all_or_none(store: Store):
    await store.write([cell("a", b"old")])
    with pytest.raises(InvalidInput):
        await store.write([cell("a", b"new"), cell("b"), cell("\ud800")])
    assert await store.read("kv", ["a", "b"], now=1) == {"a": cell("a", b"old")}


# -- durability -------------------------------------------------------------------------------------------


async def test_everything_is_there_after_a_restart(shop: Shop):
    await shop.create("a", "b", "c")
    a, b, c = await shop.claim()
    await shop.say(a, line("one"), line("two"), change=Rested(a.key, 20, 500, ["paid"]))
    await shop.store.deliver(a.key, "shipped", b"\x01", now=25)
    await shop.end(b)
    await shop.hold(c)
    await shop.create("d", tags=["t"], seed=b"s", error_retention_ms=5, parent=a.key, awaited=".child-x-1")
    await shop.store.write([cell("k", b"\x00" * 10, expires_at=10**9)])
    await shop.store.note([(LOGGED, 30, b"x")])
    before = await everything(shop, a.key)
    await shop.reopen()
    assert await everything(shop, a.key) == before
    await shop.store.deliver(a.key, "paid", b"", now=40)
    assert [claim.id for claim in await shop.claim(now=40)] == ["a", "d"]


async def everything(shop: Shop, key: int) -> list[object]:
    return [
        await shop.store.find("shop"),
        await shop.store.load({key: 0}),
        await shop.store.tail(0),
        await shop.store.scan("kv", now=1),
        await shop.store.read("kv", ["k"], now=1),
        await shop.store.due_at(["shop"]),
        await shop.store.position(),
    ]


async def test_large_values_come_back_whole(shop: Shop):
    large = bytes(range(256)) * 4096
    await shop.store.create([new("a")])
    (claim,) = await shop.claim()
    event = (await shop.store.deliver(claim.key, "paid", large, now=15)).event
    await shop.say(claim, event)
    await shop.say(claim, change=Ended(claim.key, 20, "complete", large), after=1)
    await shop.store.write([cell("k", large * 8)])
    (received,) = await shop.facts(claim.key)
    assert isinstance(received, Received)
    assert received.payload == large
    assert (await shop.get("a")).output == large
    assert (await shop.store.read("kv", ["k"], now=1))["k"].value == large * 8


# -- together ---------------------------------------------------------------------------------------------


async def test_an_operation_that_the_store_cannot_take_spoils_none_of_its_neighbours(shop: Shop):
    claim = await shop.claimed()
    poison = shop.store.write([cell("\ud800")])
    refused = shop.store.move(NOBODY, "terminate", now=1)
    results = await asyncio.gather(
        shop.create("b"),
        poison,
        shop.say(claim, line("one")),
        refused,
        shop.store.write([cell("k")]),
        shop.store.note([(LOGGED, 10**30, b"")]),
        shop.store.deliver(claim.key, "paid", b"", now=15),
        return_exceptions=True,
    )
    raised = [type(result) for result in results if isinstance(result, Exception)]
    assert raised == [InvalidInput, InstanceNotFound, InvalidInput]
    assert await shop.status("b") == "queued"
    assert await shop.facts(claim.key) == [line("one")]
    assert list(await shop.store.read("kv", ["k"], now=1)) == ["k"]
    assert len(await shop.events(claim.key)) == 1


async def test_what_is_done_again_beside_poison_is_done_once(shop: Shop):
    await shop.create(*(f"i{n}" for n in range(6)))
    claims = await shop.claim()
    says, rests, ends, rolls, holds, paused = claims
    await shop.store.move(paused.key, "pause", now=12)

    async def beside_poison(*asked: Awaitable[list[int]]) -> list[list[int]]:
        poison = [shop.store.note([(None, 1, b"")]) for _ in asked]  # type: ignore[list-item]
        work = [one for pair in zip(asked, poison, strict=True) for one in pair]
        told = await asyncio.gather(*work, return_exceptions=True)
        assert [type(one) for one in told[1::2]] == [StoreError] * len(asked)
        return [one for one in told[::2] if isinstance(one, list)]

    assert (
        await beside_poison(
            shop.say(says, line("one"), line("two")),
            shop.say(says, line("three"), after=2),
            shop.say(rests, line("one")),
            shop.rest(rests, 500),
            shop.say(ends, line("one")),
            shop.end(ends),
            shop.roll(rolls),
            shop.hold(holds),
            shop.rest(paused, 500),
            shop.say(says, line("four"), after=3),
        )
        == [[]] * 10
    )
    assert await beside_poison(
        shop.say(says, line("five"), after=4), shop.say(says, line("no"), after=4)
    ) == [
        [],
        [says.key],
    ]
    assert [len(await shop.facts(claim.key)) for claim in claims] == [5, 1, 1, 0, 0, 1]
    assert await shop.store.counts("shop") == {
        "running": 1,
        "waiting": 1,
        "complete": 1,
        "rollingBack": 1,
        "paused": 2,
    }


async def test_what_was_known_of_a_claim_does_not_outlive_what_others_do_to_it(shop: Shop):
    """Between two appends under one claim, anything may have happened to the instance."""
    await shop.create(*(f"i{n}" for n in range(6)))
    claims = await shop.claim()
    asked, parent, moved, restarted, deleted, released = claims
    for claim in claims:
        assert await shop.say(claim, line("one")) == []
    await shop.create("child", parent=parent.key, awaited=".child-x")
    (child,) = await shop.claim()
    await shop.store.deliver(asked.key, "paid", b"", now=16)
    await shop.end(child)
    await shop.store.move(moved.key, "pause", now=16)
    await shop.store.move(moved.key, "resume", now=16)
    await shop.store.move(moved.key, "terminate", now=16)
    await shop.store.restart(restarted.key, version="v1", seed=b"", now=16)
    await shop.store.delete([deleted.key], now=16)
    await shop.store.release([(released.key, released.epoch)], now=16)
    assert [await shop.say(claim, line("two"), after=1) for claim in claims] == [
        [],
        [],
        [moved.key],
        [restarted.key],
        [deleted.key],
        [released.key],
    ]
    await shop.rest(asked, 500, "paid")
    await shop.rest(parent, 500, ".child-x")
    assert await shop.store.due_at(["shop"]) == 16
    again = {claim.id: claim for claim in await shop.claim(now=400)}
    assert {id_: claim.seq for id_, claim in again.items()} == {"i0": 2, "i1": 2, "i3": 2, "i5": 1}
    assert all([await shop.end(claim) == [] for claim in again.values()])
    assert [await shop.events(claim.key) for claim in again.values()] == [[]] * 4


async def test_a_store_tells_how_much_waits_to_be_written(shop: Shop):
    assert shop.store.pressure == Pressure(jobs=0, bytes=0, share=0)
    claim = await shop.claimed()
    asked = [
        asyncio.ensure_future(work)
        for work in (shop.say(claim, line("x" * 1_000)), shop.create("b"), shop.create("c"))
    ]
    await asyncio.sleep(0)
    pressure = shop.store.pressure
    assert pressure.jobs == 3
    assert 1_000 < pressure.bytes < 1_200
    assert 0 < pressure.share < 1
    await asyncio.gather(*asked)
    assert shop.store.pressure == Pressure(jobs=0, bytes=0, share=0)


async def test_what_is_asked_at_once_is_done_in_that_order(shop: Shop):
    claim = await shop.claimed()
    one, rest, late = await asyncio.gather(
        shop.say(claim, line("one")),
        shop.rest(claim, 30),
        shop.say(claim, line("late"), after=1),
    )
    assert (one, rest, late) == ([], [], [claim.key])
    assert await shop.facts(claim.key) == [line("one")]


async def test_a_thousand_at_once_all_get_their_answer(shop: Shop):
    keys = await asyncio.gather(*(shop.create(f"i{n}") for n in range(1000)))
    flat = [key for (key,) in keys]
    assert flat == sorted(set(flat))
    assert await shop.store.counts("shop") == {"queued": 1000}


async def test_whoever_stops_waiting_spoils_nothing(shop: Shop):
    impatient = asyncio.ensure_future(shop.create("a"))
    await asyncio.sleep(0)
    impatient.cancel()
    await shop.create("b")
    assert [one.id for one in await shop.store.find("shop")] == ["b", "a"]


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30])
async def test_a_number_that_does_not_fit_is_refused(store: Store, number: int):
    for wrong in (store.tail(number), store.journal(number), store.find("shop", after=number)):
        with pytest.raises(InvalidInput):
            await wrong
    with pytest.raises(InvalidInput):
        await store.read("\ud800", ["a"], now=1)


async def test_a_closed_store_says_so(shop: Shop):
    store = shop.store
    await shop.close()
    with pytest.raises(StoreError, match="the store is closed"):
        await store.create([new("a")])
    with pytest.raises(StoreError, match="the store is closed"):
        await store.find_one("shop", "a")
    await store.close()


async def test_what_was_accepted_before_the_close_is_kept(shop: Shop):
    accepted = [asyncio.ensure_future(shop.create(f"i{n}")) for n in range(50)]
    await asyncio.sleep(0)
    await asyncio.gather(shop.close(), shop.close())
    await asyncio.gather(*accepted)
    await shop.open()
    assert await shop.store.counts("shop") == {"queued": 50}


def test_a_store_does_what_its_model_does(urls: Callable[[], str]):
    model.play(urls)

"""Who may run next: keys, priorities, and what it costs to find that out."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.stores import lines
from tests.stores.shop import Shop, new
from wflow.errors import StoreError
from wflow.stores import _sqlite_claim as claiming

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from wflow.stores.store import Claim

FAR = 10**12
ONE: dict[str, Any] = {"per_key": {"shop": 1}}
TWO: dict[str, Any] = {"per_key": {"shop": 2}}


async def made(shop: Shop, *ids: str, **more: Any) -> list[int]:
    """Create instances of one key, `ann` unless the test says otherwise."""
    return await shop.create(*ids, **{"concurrency_key": "ann", **more})


def ids(claims: list[Claim]) -> list[str]:
    return [claim.id for claim in claims]


def test_claims_are_those_of_the_model_and_nobody_is_forgotten(urls: Callable[[], str]):
    lines.play(urls)


def test_claims_are_those_of_the_model_though_each_takes_many_transactions(
    urls: Callable[[], str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claiming, "ASIDE", 1)
    monkeypatch.setattr(claiming, "PAGE", 2)
    lines.play(urls)


# -- priorities, and how many come from the queue ------------------------------------------------------


async def test_of_those_that_are_queued_the_most_urgent_go_first_then_the_oldest(shop: Shop):
    await shop.create("low", priority=5)
    await shop.create("b", "c")
    await shop.create("high", priority=1)
    await shop.create("d", priority=2)
    assert ids(await shop.claim()) == ["high", "d", "b", "c", "low"]


async def test_who_is_due_goes_before_the_most_urgent_one(shop: Shop):
    await shop.rest(await shop.claimed("slept", priority=5), 30)
    await shop.create("high", priority=1)
    assert ids(await shop.claim(now=30)) == ["slept", "high"]


async def test_as_many_as_are_wanted_come_from_the_queue_whoever_is_due(shop: Shop):
    await shop.rest(await shop.claimed("slept"), 30)
    await shop.create("a", "b", "c")
    claims = await shop.claim(now=30, new={"shop": 2})
    assert [(claim.id, claim.queued) for claim in claims] == [("slept", False), ("a", True), ("b", True)]
    assert await shop.claim(now=30, new={"shop": 0}) == []
    assert ids(await shop.claim(now=30, new={"other": 0})) == ["c"]


async def test_who_was_restarted_keeps_the_priority_and_the_key(shop: Shop):
    (key,) = await made(shop, "a", priority=1)
    (claim,) = await shop.claim(**ONE)
    await shop.end(claim)
    await shop.store.restart(key, version="v2", seed=b"", now=30)
    again = await shop.get("a")
    assert (again.priority, again.concurrency_key) == (1, "ann")
    await made(shop, "b")
    assert ids(await shop.claim(**ONE)) == ["a"]


async def test_who_moves_to_another_version_keeps_the_key(shop: Shop):
    (key, _) = await made(shop, "a", "b")
    await shop.store.migrate(key, version="v2", seq=0, now=5)
    assert (await shop.get("a")).concurrency_key == "ann"
    assert ids(await shop.claim(**ONE)) == ["a"]


# -- keys ----------------------------------------------------------------------------------------------


async def test_of_one_key_as_many_run_as_may_and_the_others_one_after_the_other(shop: Shop):
    await made(shop, *"abcd")
    await made(shop, "other", concurrency_key="bob")
    await shop.create("free")
    a, b, *_ = claims = await shop.claim(**TWO)
    assert ids(claims) == ["a", "b", "other", "free"]
    assert await shop.claim(**TWO) == []
    await shop.end(b)
    assert ids(await shop.claim(**TWO)) == ["c"]
    await shop.end(a)
    assert ids(await shop.claim(**TWO)) == ["d"]


def aside(shop: Shop) -> list[str]:
    """Name those that no claim looks at."""
    db: sqlite3.Connection = shop.store._db  # type: ignore[attr-defined]
    return [id_ for (id_,) in db.execute("SELECT id FROM instances WHERE aside = 1 ORDER BY key")]


async def test_who_is_created_behind_another_one_of_the_key_is_aside_from_the_start(shop: Shop):
    await made(shop, *"abc")
    await made(shop, "urgent", priority=1)
    await shop.create("free")
    assert aside(shop) == ["b", "c"]


async def test_a_claim_of_few_leaves_the_next_of_the_key_to_the_next_claim(shop: Shop):
    await made(shop, *"abc")
    for expected in "abc":
        assert ids(await shop.claim(1, per_key={"shop": 3})) == [expected]


async def test_keys_of_other_workflows_have_nothing_to_do_with_each_other(shop: Shop):
    await made(shop, "a")
    await made(shop, "b", workflow="other")
    bounds = {"shop": 1, "other": 1}
    claims = await shop.store.claim(dict.fromkeys(bounds, 9), owner="me", now=10, per_key=bounds)
    assert ids(claims) == ["a", "b"]


async def test_who_rests_gives_the_place_to_the_next_and_gets_one_back_before_those_in_the_queue(shop: Shop):
    await made(shop, *"abc")
    (a,) = await shop.claim(**ONE)
    await shop.rest(a, 30)
    (b,) = await shop.claim(now=20, **ONE)
    assert b.id == "b"
    assert await shop.claim(now=30, **ONE) == []
    await shop.end(b)
    assert ids(await shop.claim(now=30, **ONE)) == ["a"]


@pytest.mark.parametrize("verb", ["pause", "terminate"])
async def test_who_leaves_the_line_before_the_turn_leaves_it_to_the_next(shop: Shop, verb: str):
    _, second, _ = await made(shop, *"abc")
    (a,) = await shop.claim(**ONE)
    await shop.end(a)
    await shop.store.move(second, verb, now=20)
    assert ids(await shop.claim(**ONE)) == ["c"]


async def test_who_is_deleted_while_it_runs_or_waits_leaves_the_place_to_the_next(shop: Shop):
    first, second, _ = await made(shop, *"abc")
    assert ids(await shop.claim(**ONE)) == ["a"]
    await shop.store.delete([first], now=20)
    await shop.store.delete([second], now=20)
    assert ids(await shop.claim(**ONE)) == ["c"]


async def test_one_that_is_over_leaves_no_place_when_it_is_swept_away(shop: Shop):
    await made(shop, "over", success_retention_ms=5)
    (over,) = await shop.claim(**ONE)
    await shop.end(over, at=20)
    await made(shop, *"abc")
    assert ids(await shop.claim(**ONE)) == ["a"]
    assert await shop.store.retire(now=30, limit=10) == 1
    assert aside(shop) == ["b", "c"], "nobody comes to the front for nothing"


async def test_who_was_paused_in_the_line_comes_back_to_the_old_place(shop: Shop):
    _, second, third = await made(shop, *"abc")
    (a,) = await shop.claim(**ONE)
    await shop.store.move(second, "pause", now=20)
    await shop.store.move(second, "resume", now=21)
    await shop.store.move(third, "pause", now=20)
    await shop.store.move(third, "resume", now=21)
    assert await shop.claim(**ONE) == []
    await shop.end(a)
    assert ids(await shop.claim(**ONE)) == ["b"]


async def test_one_of_a_key_that_is_more_urgent_passes_the_others_in_the_line(shop: Shop):
    await made(shop, "a", "b")
    await made(shop, "c", priority=1)
    (c,) = await shop.claim(1, **ONE)
    assert c.id == "c"
    await shop.end(c)
    assert ids(await shop.claim(**ONE)) == ["a"]


async def test_a_place_that_is_free_by_a_death_is_that_of_the_one_who_had_it(shop: Shop):
    await made(shop, *"abc")
    assert ids(await shop.claim(**ONE)) == ["a"]
    await shop.reopen()
    (a,) = await shop.claim(**ONE)
    assert (a.id, a.died) == ("a", True)
    await shop.end(a)
    assert ids(await shop.claim(**ONE)) == ["b"]


# -- bounds that change --------------------------------------------------------------------------------


async def test_when_more_of_a_key_may_run_they_do_though_nobody_has_ended(shop: Shop):
    await made(shop, *"abcde")
    assert ids(await shop.claim(**ONE)) == ["a"]
    assert await shop.claim(**ONE) == []
    assert ids(await shop.claim(per_key={"shop": 3})) == ["b", "c"]
    assert ids(await shop.claim()) == ["d", "e"]


async def test_when_fewer_of_a_key_may_run_the_others_go_on_and_the_next_wait_for_them(shop: Shop):
    await made(shop, *"abcd")
    a, b = await shop.claim(**TWO)
    assert await shop.claim(**ONE) == []
    await shop.end(a)
    assert await shop.claim(**ONE) == []
    await shop.end(b)
    assert ids(await shop.claim(**ONE)) == ["c"]


async def test_those_that_were_due_under_a_full_key_all_go_when_there_is_no_bound_any_more(shop: Shop):
    await made(shop, *"abcd")
    first = {claim.id: claim for claim in await shop.claim()}
    for id_ in "bcd":
        await shop.rest(first[id_], 30)
    assert await shop.claim(now=30, **ONE) == []
    assert await shop.store.due_at(["shop"]) is None
    assert ids(await shop.claim(now=30)) == ["b", "c", "d"]


# -- events of those that are aside --------------------------------------------------------------------


async def test_an_event_for_one_that_waits_for_its_key_is_there_when_it_goes(shop: Shop):
    await made(shop, "a", "b")
    first = {claim.id: claim for claim in await shop.claim()}
    await shop.rest(first["b"], 30, "paid")
    assert await shop.claim(now=40, **ONE) == []
    await shop.store.deliver(first["b"].key, "paid", b"", now=45)
    await shop.end(first["a"], at=50)
    (again,) = await shop.claim(now=50, **ONE)
    assert (again.id, again.has_events) == ("b", True)
    assert [type_ for _, type_ in await shop.events(again.key)] == ["paid"]


# -- what a claim costs --------------------------------------------------------------------------------


class Counted:
    """What SQLite does meanwhile, in steps of its machine, a hundred at a time."""

    steps = 0


@contextmanager
def counting(shop: Shop) -> Iterator[Counted]:
    counted = Counted()

    def tick() -> int:
        counted.steps += 100
        return 0

    db: sqlite3.Connection = shop.store._db  # type: ignore[attr-defined]
    db.set_progress_handler(tick, 100)
    try:
        yield counted
    finally:
        db.set_progress_handler(None, 0)


async def fill(shop: Shop, count: int, **more: Any) -> None:
    for start in range(0, count, 1_000):
        names = range(start, min(start + 1_000, count))
        await shop.store.create([new(f"q{shop.url[-3:]}{n}", **more) for n in names])


async def test_a_claim_of_a_few_costs_the_same_whatever_is_queued(urls: Callable[[], str], loop: Any):
    costs = [await cost_of_claims(urls(), queued, {}) for queued in (100, 5_000)]
    assert costs[1] <= costs[0] * 1.2


async def test_a_claim_costs_the_same_whatever_waits_for_one_key(urls: Callable[[], str], loop: Any):
    costs = [
        await cost_of_claims(urls(), queued, {"concurrency_key": "ann"}, last_is_free=True)
        for queued in (100, 5_000)
    ]
    assert costs[1] <= costs[0] * 1.2


async def cost_of_claims(url: str, queued: int, more: dict[str, Any], *, last_is_free: bool = False) -> int:
    """Have that many in the queue, and claim ten times."""
    shop = Shop(url)
    await shop.open()
    try:
        await fill(shop, queued, **more)
        if last_is_free:
            assert len(await shop.claim(5, **ONE)) == 1
            await shop.create(*(f"free-{n}" for n in range(10)))
        with counting(shop) as counted:
            for _ in range(10):
                assert len(await shop.claim(1, **ONE)) == 1
        return counted.steps
    finally:
        await shop.close()


async def test_those_whose_key_is_full_are_looked_at_once_when_they_come_due_together(shop: Shop):
    await made(shop, *(f"s{n}" for n in range(600)))
    for claim in await shop.claim(600):
        await shop.rest(claim, 30)
    await shop.create("free")
    first, *others = await shop.claim(2, now=30, **ONE)
    assert (first.id, ids(others)) == ("s0", ["free"])
    with counting(shop) as counted:
        assert await shop.claim(2, now=30, **ONE) == []
    assert counted.steps <= 1_000


async def test_no_transaction_sets_aside_more_than_its_share_and_whoever_may_go_is_found(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claiming, "ASIDE", 10)
    set_aside: list[int] = []
    db: sqlite3.Connection = shop.store._db  # type: ignore[attr-defined]
    await made(shop, *(f"s{n}" for n in range(35)))
    for claim in await shop.claim():
        await shop.rest(claim, 30)
    await shop.create("free")
    db.set_trace_callback(
        lambda text: set_aside.append(text.count(",") + 1) if "SET aside = 1" in text else None
    )
    claims = await shop.claim(3, now=30, **ONE)
    db.set_trace_callback(None)
    assert ids(claims) == ["s0", "free"]
    assert len(set_aside) == 4
    assert max(set_aside) <= 10


async def test_what_becomes_of_a_claim_is_heard_after_the_claim_though_many_are_set_aside_for_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claiming, "ASIDE", 10)
    first, *_ = await made(shop, *(f"s{n}" for n in range(35)))
    for claim in await shop.claim():
        await shop.rest(claim, 30)
    heard: list[str] = []

    async def claim_one() -> None:
        heard.extend(ids(await shop.claim(3, now=30, **ONE)))

    async def terminate() -> None:
        moved = await shop.store.move(first, "terminate", now=31)
        heard.append(moved.instance.status)

    await asyncio.gather(claim_one(), terminate())
    assert heard in (["terminated", "s1"], ["s0", "terminated"])


async def test_who_was_chosen_when_the_disk_failed_is_not_forgotten(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(claiming, "ASIDE", 5)
    await made(shop, *(f"s{n}" for n in range(12)))
    for claim in await shop.claim():
        await shop.rest(claim, 30)
    submit, tries = shop.store._claims._submit, iter((True, False))  # type: ignore[attr-defined]

    async def once(run: Any) -> Any:
        if not next(tries, False):
            raise StoreError("the disk is gone")
        return await submit(run)

    shop.store._claims._submit = once  # type: ignore[attr-defined]
    with pytest.raises(StoreError):
        await shop.claim(3, now=30, **ONE)
    shop.store._claims._submit = submit  # type: ignore[attr-defined]
    for number in range(12):
        (claim,) = await shop.claim(3, now=30, **ONE)
        assert claim.id == f"s{number}"
        await shop.end(claim)

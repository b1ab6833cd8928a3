"""An instance on another version: only as it is known, only when nobody holds it; the same in every store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stores.shop import Shop, line
from tests.stores.test_moves import FAR, bring, everything
from wflow.engine import status
from wflow.engine.changes import Held
from wflow.engine.facts import Moved
from wflow.engine.outcome import Failure
from wflow.errors import InstanceEnded, InstanceNotFound
from wflow.stores import moves

if TYPE_CHECKING:
    from wflow.stores.store import Claim

AT_REST = (status.QUEUED, status.WAITING, status.PAUSED)
HELD = (status.RUNNING, status.PAUSING, status.ROLLING_BACK)
DIVERGED = Failure("NonDeterminismError", "the journal has another step there")


async def seq_of(shop: Shop, key: int) -> int:
    return (await shop.store.load({key: 0}))[key].seq


async def diverge(shop: Shop, claim: Claim, *, detail: dict[str, object] | None = None) -> None:
    """Pause an instance as a turn does whose code and journal contradict each other."""
    moved = Moved(status.PAUSED, 20, failure=DIVERGED, detail=detail or {})
    assert await shop.say(claim, moved, change=Held(claim.key, 20, DIVERGED)) == []


@pytest.mark.parametrize("before", AT_REST)
async def test_an_instance_at_rest_is_on_the_other_version_in_the_status_it_had(shop: Shop, before: str):
    key, _ = await bring(shop, before)
    was = await shop.get("a")
    seq = await seq_of(shop, key)
    moving = await shop.store.migrate(key, version="v2", seq=seq, now=60)
    assert moving is not None
    assert (moving.instance, moving.held, moving.deliveries) == (await shop.get("a"), False, [])
    now = moving.instance
    assert (now.version, now.status, now.wake_at, now.modified_at) == ("v2", before, was.wake_at, 60)
    assert (await shop.facts(key))[-1] == Moved(before, 60, detail={"version": "v2", "from": "v1"})
    assert await seq_of(shop, key) == seq + 1


@pytest.mark.parametrize("before", HELD)
async def test_one_that_somebody_holds_is_left_as_it_is(shop: Shop, before: str):
    key, claim = await bring(shop, before)
    kept = await everything(shop, key)
    assert await shop.store.migrate(key, version="v2", seq=await seq_of(shop, key), now=60) is None
    assert await everything(shop, key) == kept
    assert claim is not None
    assert await shop.say(claim, line("its claim lives")) == []


@pytest.mark.parametrize("before", HELD)
async def test_one_between_two_holders_keeps_its_status_and_is_due_as_it_was(shop: Shop, before: str):
    key, claim = await bring(shop, before)
    assert claim is not None
    await shop.store.release([(key, claim.epoch)], now=50)
    assert await shop.store.migrate(key, version="v2", seq=0, now=60) is not None
    found = await shop.get("a")
    assert (found.status, found.version, found.wake_at) == (before, "v2", 50)
    (again,) = await shop.claim(now=70)
    assert (again.version, again.seq, again.pausing) == ("v2", 1, before == status.PAUSING)


@pytest.mark.parametrize("off", [-1, 1])
async def test_one_that_went_on_since_it_was_looked_at_is_left_as_it_is(shop: Shop, off: int):
    claim = await shop.claimed()
    await shop.say(claim, line("one"), line("two"))
    await shop.rest(claim, FAR, at=20)
    kept = await everything(shop, claim.key)
    assert await shop.store.migrate(claim.key, version="v2", seq=2 + off, now=60) is None
    assert await everything(shop, claim.key) == kept
    assert await shop.store.migrate(claim.key, version="v2", seq=2, now=60) is not None


@pytest.mark.parametrize("before", sorted(status.ENDED))
async def test_one_that_is_over_is_refused(shop: Shop, before: str):
    key, _ = await bring(shop, before)
    kept = await everything(shop, key)
    with pytest.raises(InstanceEnded, match=r"^\(instance\.cannot_migrate\) "):
        await shop.store.migrate(key, version="v2", seq=await seq_of(shop, key), now=60)
    assert await everything(shop, key) == kept


async def test_one_that_is_not_there_is_refused(shop: Shop):
    with pytest.raises(InstanceNotFound):
        await shop.store.migrate(999_999, version="v2", seq=0, now=60)


@pytest.mark.parametrize("detail", [None, {"divergence": {"cause": "renamed", "guess": "x"}}])
async def test_one_that_was_paused_by_a_divergence_is_queued(shop: Shop, detail: dict[str, object] | None):
    claim = await shop.claimed()
    await diverge(shop, claim, detail=detail)
    moving = await shop.store.migrate(claim.key, version="v2", seq=1, now=60)
    assert moving is not None
    assert (moving.instance.status, moving.instance.failure, moving.instance.wake_at) == (
        "queued",
        None,
        None,
    )
    assert (await shop.facts(claim.key))[-1] == Moved("queued", 60, detail={"version": "v2", "from": "v1"})
    (again,) = await shop.claim(now=70)
    assert (again.version, again.seq) == ("v2", 2)


async def test_one_that_a_person_paused_stays_paused_however_often_it_is_moved(shop: Shop):
    claim = await shop.claimed()
    await diverge(shop, claim)
    await shop.store.move(claim.key, "resume", now=30)
    await shop.store.move(claim.key, "pause", now=31)
    for seq, version in ((3, "v2"), (4, "v3")):
        moving = await shop.store.migrate(claim.key, version=version, seq=seq, now=60)
        assert moving is not None
        assert (moving.instance.status, moving.instance.version) == ("paused", version)
    assert await shop.claim(now=FAR) == []


async def test_one_that_wflow_paused_for_another_reason_stays_paused(shop: Shop):
    claim = await shop.claimed()
    await shop.say(claim, Moved(status.PAUSED, 20, failure=Failure("WorkflowInternalError", "ours")))
    await shop.say(claim, change=Held(claim.key, 20, DIVERGED), after=1)
    moving = await shop.store.migrate(claim.key, version="v2", seq=1, now=60)
    assert moving is not None
    assert moving.instance.status == "paused"


async def test_what_a_paused_one_is_asked_wakes_it_on_the_other_version_too(shop: Shop):
    key, _ = await bring(shop, status.PAUSED)
    await shop.store.deliver(key, ".cancel", b"", now=40)
    before = await shop.get("a")
    await shop.store.migrate(key, version="v2", seq=await seq_of(shop, key), now=60)
    after = await shop.get("a")
    assert (after.status, after.wake_at) == (before.status, before.wake_at)


async def test_a_sleeper_and_what_it_awaits_are_kept(shop: Shop):
    claim = await shop.claimed()
    await shop.rest(claim, 500, "paid")
    await shop.store.migrate(claim.key, version="v2", seq=0, now=60)
    assert (await shop.get("a")).wake_at == 500
    await shop.store.deliver(claim.key, "paid", b"", now=70)
    (again,) = await shop.claim(now=70)
    assert (again.version, again.has_events) == ("v2", True)


async def test_what_is_moved_is_so_when_the_store_is_opened_again(shop: Shop):
    key, _ = await bring(shop, status.WAITING)
    await shop.store.migrate(key, version="v2", seq=await seq_of(shop, key), now=60)
    kept = await everything(shop, key)
    await shop.reopen()
    assert await everything(shop, key) == kept


def test_only_a_pause_that_tells_of_a_divergence_is_one():
    assert not moves.diverged(None)
    assert not moves.diverged(Moved(status.PAUSED, 1))
    assert not moves.diverged(Moved(status.ERRORED, 1, failure=DIVERGED))
    assert moves.diverged(Moved(status.PAUSED, 1, failure=DIVERGED))
    assert moves.diverged(Moved(status.PAUSED, 1, detail={"divergence": {}}))

"""What a step does to others is there once, with its outcome, and not at all if it comes to nothing."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from tests.bindings.small_control import SmallControl, with_control
from tests.bindings.steps import Steps
from wflow import Context, Event, NonRetryableError, WorkflowEntrypoint
from wflow.engine.outcome import NOT_YET
from wflow.errors import InstanceExists, InvalidInput, TooLarge, TooMany
from wflow.runner import held

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from wflow.testing import Kit


@pytest.fixture
def on_steps(tmp_path: Path) -> Callable[[Callable[[Steps], Awaitable[None]]], None]:
    """Run a story that is given the steps of an instance."""
    return functools.partial(_on, tmp_path)


def _on(folder: Path, story: Callable[[Steps], Awaitable[None]]) -> None:
    async def told(control: SmallControl) -> None:
        steps = Steps(control)
        await steps.begin()
        await story(steps)

    with_control(folder, told)


async def seen(steps: Steps, key: str = "a") -> Any:
    """Tell what everybody else sees of a key."""
    before, steps.control.calling = steps.control.calling, {}
    try:
        return await steps.kv.get(key)
    finally:
        steps.control.calling = before


def test_what_a_step_writes_is_there_with_its_outcome_and_not_before(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter()
        await steps.kv.put("a", "1", metadata={"by": "step"})
        assert await seen(steps) is None
        assert (await steps.kv.get_with_metadata("a")).metadata == {"by": "step"}, "the step sees it"
        await steps.settle()
        assert await seen(steps) == "1"

    on_steps(story)


def test_a_step_that_fails_for_good_leaves_nothing(on_steps):
    async def story(steps: Steps) -> None:
        await steps.kv.put("gone", "still there")
        steps.enter()
        await steps.kv.put("a", "1")
        await steps.kv.delete("gone")
        made = await steps.orders.create(params=1)
        await steps.give_up()
        assert await seen(steps) is None
        assert await seen(steps, "gone") == "still there"
        assert await steps.control.store.find_one("orders", made.id) is None
        assert steps.control.holding.bytes == 0

    on_steps(story)


def test_a_call_that_is_slow_takes_nothing_from_the_attempt_after(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter(attempt=1)
        slow = steps.held()
        steps.enter(attempt=2)
        await steps.kv.put("a", "second")
        with pytest.raises(InvalidInput, match="attempt 1 of step 'charge-1' is over"):
            slow.create([])
        await steps.settle(attempt=2)
        assert await seen(steps) == "second"

    on_steps(story)


def test_a_call_that_is_slow_takes_nothing_from_the_claim_after(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter()
        slow = steps.held()
        await steps.died()
        steps.enter()
        await steps.kv.put("a", "again")
        with pytest.raises(InvalidInput, match="is over"):
            slow.create([])
        await steps.settle()
        assert await seen(steps) == "again"

    on_steps(story)


def test_a_step_that_is_retried_leaves_what_its_last_attempt_did(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter(attempt=1)
        await steps.kv.put("a", "first")
        await steps.kv.put("b", "first")
        await steps.fail(attempt=1)
        steps.enter(attempt=2)
        assert await steps.kv.get("a") is None, "an attempt does not see what one before it did"
        await steps.kv.put("a", "second")
        await steps.settle(attempt=2)
        assert [await seen(steps, key) for key in "ab"] == ["second", None]

    on_steps(story)


def test_whoever_dies_over_a_step_leaves_nothing_of_it(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter()
        await steps.kv.put("a", "before the death")
        await steps.died()
        assert await seen(steps) is None
        steps.enter()
        assert await steps.kv.get("a") is None
        await steps.kv.put("b", "after it")
        await steps.settle()
        assert [await seen(steps, key) for key in "ab"] == [None, "after it"]
        assert steps.control.holding.bytes == 0

    on_steps(story)


def test_a_claim_that_is_over_writes_nothing(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter()
        await steps.kv.put("a", "late")
        await steps.control.store.release([(steps.claim.key, steps.claim.epoch)], now=steps.control.at)
        assert (await steps.settle()).refused == [steps.claim.key]
        assert await seen(steps) is None

    on_steps(story)


def test_a_claim_that_somebody_took_over_leaves_nothing_in_memory(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter()
        await steps.kv.put("a", "1")
        steps.control.holding.forget(steps.claim.key, steps.claim.epoch - 1)
        assert steps.control.holding.bytes > 0
        steps.control.holding.forget(steps.claim.key, steps.claim.epoch + 1)
        assert steps.control.holding.bytes == 0

    on_steps(story)


def test_a_worker_writes_at_once(on_steps):
    async def story(steps: Steps) -> None:
        await steps.kv.put("a", "1")
        assert await seen(steps) == "1"
        assert steps.control.holding.bytes == 0

    on_steps(story)


def test_a_check_that_says_not_yet_has_done_its_part(on_steps):
    async def story(steps: Steps) -> None:
        for check in (1, 2):
            steps.enter(attempt=check)
            await steps.kv.put("checks", str(check))
            await steps.fail(attempt=check, failure=NOT_YET)
            assert await seen(steps, "checks") == str(check)

    on_steps(story)


def test_a_rollback_is_a_step_as_well(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter("rollback:charge-1")
        await steps.kv.put("a", "undone")
        await steps.settle("rollback:charge-1")
        assert await seen(steps) == "undone"

    on_steps(story)


def test_steps_side_by_side_do_not_see_each_other(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter("one-1")
        await steps.kv.put("a", "one")
        steps.enter("two-1")
        assert await steps.kv.get("a") is None
        await steps.kv.put("a", "two")
        await steps.settle("two-1")
        assert await seen(steps) == "two"
        await steps.settle("one-1")
        assert await seen(steps) == "one", "the last write wins, by commit"

    on_steps(story)


def test_an_attempt_that_was_given_up_does_nothing_more(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter(attempt=1)
        await steps.kv.put("a", "first")
        steps.enter(attempt=2)
        await steps.kv.put("a", "second")
        steps.enter(attempt=1)
        with pytest.raises(InvalidInput, match="attempt 1 of step 'charge-1' is over"):
            await steps.kv.put("a", "too late")
        steps.enter(attempt=2)
        await steps.settle(attempt=2)
        assert await seen(steps) == "second"

    on_steps(story)


def test_what_an_attempt_does_has_limits(on_steps, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(held, "EFFECTS", 3)
    monkeypatch.setattr(held, "EFFECTS_BYTES", 2_000)
    monkeypatch.setattr(held, "HELD_BYTES", 3_000)

    async def story(steps: Steps) -> None:
        steps.enter("one-1")
        for key in ("a", "b", "c", "a"):
            await steps.kv.put(key, key)
        with pytest.raises(TooLarge, match="3 things at the most"):
            await steps.kv.put("d", "d")
        with pytest.raises(TooLarge, match="takes 2,000 bytes at the most"):
            await steps.kv.put("a", "x" * 1_500)
        steps.enter("two-1")
        await steps.kv.put("a", "x" * 1_500)
        steps.enter("three-1")
        with pytest.raises(TooMany, match="3,000 bytes; that is the limit"):
            await steps.kv.put("a", "x" * 1_500)
        await steps.settle("two-1")
        steps.enter("three-1")
        await steps.kv.put("a", "y" * 1_500)
        await steps.settle("three-1")
        await steps.settle("one-1")
        assert [await seen(steps, key) for key in "abcd"] == ["a", "b", "c", None]
        assert steps.control.holding.bytes == 0

    on_steps(story)


def test_a_list_in_a_step_shows_what_the_step_has_done(on_steps):
    async def story(steps: Steps) -> None:
        for number in range(6):
            await steps.kv.put(f"k{number}", "1")
        steps.enter()
        for key in ("k1", "k2", "k4"):
            await steps.kv.delete(key)
        await steps.kv.put("k21", "1", metadata="new")
        await steps.kv.put("k9", "1")
        names, cursor = [], None
        while True:
            page = await steps.kv.list(prefix="k", limit=2, cursor=cursor)
            names.append([key.name for key in page.keys])
            if page.list_complete:
                break
            cursor = page.cursor
        assert names == [["k0", "k21"], ["k3", "k5"], ["k9"]]
        assert list(await steps.kv.get(["k0", "k1", "k9"])) == ["k0", "k1", "k9"]
        assert await steps.kv.get(["k0", "k1", "k9"]) == {"k0": "1", "k1": None, "k9": "1"}

    on_steps(story)


# -- creations ---------------------------------------------------------------------------------------------


def test_an_instance_that_a_step_creates_is_there_with_its_outcome(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter()
        made = await steps.orders.create(params={"n": 1})
        assert await steps.control.store.find_one("orders", made.id) is None
        await steps.settle()
        found = await steps.control.get("orders", made.id)
        assert (found.status, found.trigger) == ("queued", "binding")
        assert steps.control.woken == ["orders"]

    on_steps(story)


def test_a_step_that_runs_again_means_the_same_instances(on_steps):
    async def story(steps: Steps) -> None:
        made = []
        for attempt in (1, 2):
            steps.enter(attempt=attempt)
            first, second = await steps.orders.create(), await steps.orders.create()
            batch = await steps.orders.create_batch(count=2)
            assert (await first.status()).status == "queued", "what is asked about is created at once"
            made.append([first.id, second.id, *(one.id for one in batch.created)])
            await (steps.fail(attempt=1) if attempt == 1 else steps.settle(attempt=2))
        assert made[0] == made[1]
        assert len(set(made[0])) == 4
        everyone = {one.id for one in await steps.control.store.find("orders")}
        assert everyone == {"main", *made[0]}
        steps.enter("charge-2")
        assert (await steps.orders.create()).id not in made[0]

    on_steps(story)


def test_a_chosen_id_is_the_steps_own_when_it_runs_again(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter(attempt=1)
        made = await steps.orders.create(id="chosen")
        await made.send_event("paid")
        with pytest.raises(InstanceExists):
            await steps.orders.create(id="chosen")
        await steps.fail(attempt=1)
        steps.enter(attempt=2)
        await steps.orders.create(id="chosen")
        await steps.settle(attempt=2)
        steps.enter("other-1")
        with pytest.raises(InstanceExists, match="chosen"):
            await steps.orders.create(id="chosen")
        assert (await steps.orders.create(id="chosen", exists="return")).id == "chosen"

    on_steps(story)


def test_an_id_that_somebody_took_meanwhile_stays_theirs(on_steps):
    async def story(steps: Steps) -> None:
        steps.enter()
        await steps.orders.create(id="wanted", params="step")
        steps.leave()
        await steps.orders.create(id="wanted", params="worker")
        await steps.settle()
        assert (await steps.control.get("orders", "wanted")).params == b"\xa6worker"

    on_steps(story)


def test_two_that_ask_about_one_instance_find_it_created_once(on_steps):
    import asyncio

    async def story(steps: Steps) -> None:
        steps.enter()
        made = await steps.orders.create()
        found = await asyncio.gather(*(made.status() for _ in range(3)))
        assert [one.status for one in found] == ["queued"] * 3
        assert steps.control.woken == ["orders"]
        await steps.settle()
        assert len(await steps.control.store.find("orders")) == 2

    on_steps(story)


def test_a_full_queue_refuses_what_a_step_creates(on_steps, monkeypatch: pytest.MonkeyPatch):
    from wflow.engine import names

    monkeypatch.setattr(names, "QUEUED", 2)

    async def story(steps: Steps) -> None:
        steps.enter()
        await steps.orders.create_batch(count=2)
        steps.leave()
        await steps.orders.create_batch(count=2)
        steps.enter("more-1")
        with pytest.raises(TooMany, match="2 queued instances; the limit is 2"):
            await steps.orders.create()

    on_steps(story)


# -- with a runtime ----------------------------------------------------------------------------------------


class Undone(WorkflowEntrypoint):
    """It polls, fails, and undoes what it did; each leaves a trace in KV."""

    async def run(self, event: Event, ctx: Context) -> None:
        await ctx.poll("look", self.look, every="1 second", timeout="1 hour")
        await ctx.do("book", self.book, rollback=self.unbook)
        raise NonRetryableError("no room")

    async def look(self, ctx: Any) -> bool:
        looked = int(await self.env.KV.get("looked") or 0) + 1
        await self.env.KV.put("looked", str(looked))
        return looked == 3

    async def book(self) -> None:
        await self.env.KV.put("booked", "yes")

    async def unbook(self, ctx: Any) -> None:
        await self.env.KV.put(f"unbooked-{ctx.attempt}", "yes")
        if ctx.attempt == 1:
            raise ConnectionError
        await self.env.KV.delete("booked")


@pytest.mark.wflow({"UNDONE": Undone}, kv=["KV"])
async def test_polls_and_rollbacks_of_a_runtime_are_attempts_too(wflow: Kit) -> None:
    made = await wflow.env.UNDONE.create()
    with pytest.raises(NonRetryableError):
        await made.result()
    listed = (await wflow.env.KV.list()).keys
    assert [key.name for key in listed] == ["looked", "unbooked-2"]
    assert await wflow.env.KV.get("looked") == "3"


class Looking(WorkflowEntrypoint):
    """Each check of its poll creates an instance."""

    async def run(self, event: Event, ctx: Context) -> object:
        return await ctx.poll("look", self.look, every="1 second", timeout="1 minute")

    async def look(self, ctx: Any) -> int | None:
        made = await self.env.UNDONE.create()
        await self.env.KV.put(f"made-{made.id}", "yes")
        there = len((await self.env.KV.list(prefix="made-")).keys)
        return there if ctx.attempt == 3 else None


@pytest.mark.wflow({"LOOKING": Looking, "UNDONE": Undone}, kv=["KV"])
async def test_each_check_of_a_poll_creates_an_instance_of_its_own(wflow: Kit) -> None:
    assert await (await wflow.env.LOOKING.create()).result() == 3

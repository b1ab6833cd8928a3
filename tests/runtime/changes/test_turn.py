"""Code that changes under its instances: what is said of it, and how they go on all the same."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from tests.runtime.stage import number, play
from wflow.bindings.workflow import WorkflowBinding
from wflow.engine import facts, status, values
from wflow.engine.divergence import Divergence
from wflow.engine.facts import Moved, Opened, Settled
from wflow.engine.outcome import Ok
from wflow.errors import InvalidInput, NonRetryableError
from wflow.runtime.failures import error_of


def left_by(run: Any, **options: Any) -> list[bytes]:
    """Give the journal that a workflow leaves, but for its end."""
    journal = play(run, **options).stage.journal
    assert facts.decode(journal[-1]).status == status.COMPLETE  # type: ignore[union-attr]
    return journal[:-1]


def half_of(run: Any, key: str) -> list[bytes]:
    """Give what a workflow leaves that ends its process when a step is over."""
    journal = left_by(run)
    told = [facts.decode(raw) for raw in journal]
    end = next(n for n, fact in enumerate(told) if isinstance(fact, Settled) and fact.key == key)
    return journal[: end + 1]


def diverged(code: Any, journal: list[bytes]) -> tuple[Any, str]:
    """Play other code on a journal; give what is recorded of why it is held, and what is said."""
    played = play(code, journal=journal)
    assert played.status == "held", played.stage.change
    moved = played.facts[-1]
    assert isinstance(moved, Moved)
    assert moved.status == status.PAUSED
    told = msgspec.convert(moved.detail["divergence"], Divergence)
    error: Any = error_of(played.failure)
    assert type(error).__name__ == "NonDeterminismError"
    assert error.divergence == told, "it comes back with the error"
    assert not hasattr(error, "__notes__"), "its message is all there is to say"
    return told, played.failure.message


async def charge_and_ship(event, ctx):
    charged = await ctx.do("charge", number, 5)
    shipped = await ctx.do("ship", number, 6)
    return [charged, shipped]


# -- what is said of it -----------------------------------------------------------------------------------


def test_it_says_what_is_recorded_what_is_asked_for_where_and_how_to_go_on():
    async def run(event, ctx):
        await ctx.do("bill", number, 5)

    told, message = diverged(run, left_by(charge_and_ship))
    line, other = charge_and_ship.__code__.co_firstlineno + 1, run.__code__.co_firstlineno + 1
    file = "tests/runtime/changes/test_turn.py"
    lines = message.splitlines()
    assert lines[:3] == [
        "the journal goes on with step 'charge-1' (do), which the code does not ask for here",
        f"  journal: step 'charge-1' (do), {file}:{line} charged = await ctx.do(\"charge\", number, 5)",
        f"  code:    step 'bill-1' (do), {file}:{other} await ctx.do(\"bill\", number, 5)",
    ]
    assert told.cause == "branch", "the line that is recorded is still there"
    assert "workflows instances restart flow order-1 --from-step-name charge --from-step-count 1" in message
    assert "workflows instances resume flow order-1 --accept" in message


async def broken(event, ctx):
    raise KeyError("typo")


async def early(event, ctx):
    return "early"


@pytest.mark.parametrize(
    ("run", "end"), [(broken, "it ended with KeyError: 'typo'"), (early, "`run` has returned")]
)
def test_code_that_ends_where_the_journal_goes_on_says_how(run, end: str):
    told, message = diverged(run, left_by(charge_and_ship))
    assert told.requested is None
    assert message.splitlines()[0].endswith(f"does not ask for here; {end}")


@pytest.mark.resident("its replay is what it is about")
def test_arguments_of_an_unchanged_line_come_from_outside_the_journal():
    chance = iter([1, 2])

    async def run(event, ctx):
        await ctx.do("draw", number, next(chance))
        await ctx.do("next", number, 0)

    journal = half_of(run, "draw-1")
    chance = iter([3])
    told, _ = diverged(run, journal)
    assert told.cause == "arguments"
    assert "a clock, chance, a global" in told.guess


@pytest.mark.resident("its replay is what it is about")
def test_a_name_with_chance_in_it_is_told_as_that():
    numbers = iter([17, 18, 19])

    async def run(event, ctx):
        await ctx.do(f"order {next(numbers)}", number, 0)

    journal = left_by(run)
    told, _ = diverged(run, journal)
    assert (told.cause, told.recorded.key, told.requested.key) == ("chance", "order 17-1", "order 18-1")


def test_a_timer_tells_where_it_was_set_and_is_held_like_any_step():
    async def run(event, ctx):
        await asyncio.sleep(0.001)

    told, _ = diverged(charge_and_ship, left_by(run))
    assert (told.recorded.key, told.recorded.kind) == ("asyncio timer-1", "sleep")
    assert told.recorded.site.endswith("await asyncio.sleep(0.001)")


# -- a name that changed -----------------------------------------------------------------------------------


async def all_kinds(ctx, now: dict[str, Any], prefix: str) -> list[Any]:
    async def send(method, arguments):
        return None

    told = [
        await ctx.do(f"{prefix}do", number, 1, **now),
        await ctx.sleep(f"{prefix}nap", 1, **now),
        await ctx.sleep_until(f"{prefix}until", 0, **now),
        await ctx.poll(f"{prefix}poll", number, 2, every=1_000, **now),
        list(await ctx.map(number, [3, 4], name=f"{prefix}each", **now)),
    ]

    @ctx.do(f"{prefix}decorated", **now)
    async def decorated():
        return 5

    told.append(await decorated())
    told.append((await ctx.wait_for_event(f"{prefix}wait", "paid", **now)).payload)
    told.append(await ctx.call(WorkflowBinding(send), name=f"{prefix}child", **now))
    return told


def renaming(old: str, new: str):
    """Make code of which all steps had another name, in which the kind is the same."""

    async def run(event, ctx):
        return await all_kinds(_Renamed(ctx, old, new), {}, new)

    return run


class _Renamed:
    """A context that says of each step what it was called."""

    def __init__(self, ctx: Any, old: str, new: str) -> None:
        self._ctx, self._old, self._new = ctx, old, new

    def __getattr__(self, what: str) -> Any:
        method = getattr(self._ctx, what)

        def call(*arguments: Any, **options: Any) -> Any:
            name = options.get("name", arguments[0])
            return method(*arguments, formerly=name.replace(self._new, self._old), **options)

        return call


async def before(event, ctx):
    return await all_kinds(ctx, {}, "old ")


def test_steps_of_every_kind_go_on_under_the_names_that_they_had():
    async def bring(stage):
        stage.send("paid", "money")
        await stage.until(lambda: "old child-1" in stage._settled)
        made: Any = next(
            fact for fact in stage.facts if isinstance(fact, Settled) and fact.key == "old child-1"
        ).outcome
        child: Any = values.decode(made.value)
        outcome = values.encode(msgspec.msgpack.encode(Ok(values.encode("grown"))))
        stage.pending.append(facts.Received(99, child["awaited"], outcome, 0, 0))
        stage._wake() if stage.change else stage.turn.receive(stage.pending[-1])

    whole = play(before, bring)
    assert whole.status == "complete", whole.failure
    assert whole.result == [1, None, None, 2, [3, 4], 5, "money", "grown"]
    journal = whole.stage.journal[:-1]
    for cut in range(1, len(journal)):
        told = {fact.key for fact in map(facts.decode, journal[:cut]) if isinstance(fact, Settled)}
        if "old child result-1" in told or cut == len(journal):
            played = play(renaming("old ", "new "), journal=journal[:cut])
            assert played.result == whole.result
            assert all("new" not in key for key in played.settled)


def test_a_step_that_was_begun_under_its_old_name_is_finished_under_it():
    async def slowly(n):
        await asyncio.sleep(0.005)
        return n

    async def old(event, ctx):
        return [await ctx.do("old", slowly, 1), await ctx.do("old", slowly, 2)]

    async def new(event, ctx):
        first = await ctx.do("new", slowly, 1, formerly="old")
        return [first, await ctx.do("new", slowly, 2, formerly="old")]

    journal = half_of(old, "old-1")
    played = play(new, journal=journal)
    assert (played.result, played.settled) == ([1, 2], ["old-1", "new-1"])
    assert play(new, journal=played.stage.journal[:-1]).settled == ["old-1", "new-1"]


@pytest.mark.parametrize("when", ["crash_at", "crash_after"])
def test_a_later_step_of_the_old_name_is_never_taken_for_the_renamed_one(when: str):
    async def slowly(n):
        await asyncio.sleep(0.003)
        return n

    async def run(event, ctx):
        return await asyncio.gather(
            ctx.do("new", slowly, 1, formerly="old"), ctx.do("old", number, 2), ctx.do("old", number, 3)
        )

    commits = play(run).commits
    for crash in range(commits):
        options: dict[str, Any] = {when: {crash}}
        played = play(run, **options)
        assert played.result == [1, 2, 3]
        assert sorted(played.settled) == ["new-1", "old-1", "old-2"]
    opened = [fact.key for fact in play(run).facts if isinstance(fact, (Opened, Settled))]
    assert opened[0] == "new-1", "it is told before any step of the old name"


@pytest.mark.parametrize("bad", ["", "rollback:x", 7, "charge"])
def test_a_former_name_that_cannot_have_been_is_refused(bad: object):
    async def run(event, ctx):
        refused = []
        for begin in (
            lambda: ctx.do("charge", number, 1, formerly=bad),
            lambda: ctx.sleep("charge", 1, formerly=bad),
            lambda: ctx.sleep_until("charge", 0, formerly=bad),
            lambda: ctx.poll("charge", number, 1, every=1_000, formerly=bad),
            lambda: ctx.wait_for_event("charge", "paid", formerly=bad),
            lambda: ctx.map(number, [1], name="charge", formerly=bad),
            lambda: ctx.call(WorkflowBinding(None), name="charge", formerly=bad),  # type: ignore[arg-type]
        ):
            with pytest.raises(InvalidInput):
                begin()
            refused.append(1)
        return len(refused)

    assert play(run).result == 7


# -- a change that the code asks for -----------------------------------------------------------------------


async def patched_ship(event, ctx):
    charged = await ctx.do("charge", number, 5)
    if ctx.patched("insure"):
        await ctx.do("insure", number, 1)
    shipped = await ctx.do("ship", number, 6)
    return [charged, shipped, ctx.patched("insure")]


def test_a_new_instance_takes_the_new_way_at_every_crash():
    whole = play(patched_ship)
    assert whole.result == [5, 6, True]
    for crash in range(whole.commits):
        for options in ({"crash_at": {crash}}, {"crash_after": {crash}, "cold": True}):
            played = play(patched_ship, **options)
            assert played.result == [5, 6, True]
            markers = [fact for fact in played.facts if isinstance(fact, Settled) and fact.kind == "patch"]
            assert [fact.key for fact in markers] == ["patched:insure"]


@pytest.mark.parametrize("key", ["charge-1", "ship-1"])
def test_an_instance_takes_the_way_that_it_was_on(key: str):
    journal = half_of(charge_and_ship, key)
    played = play(patched_ship, journal=journal)
    assert played.result == [5, 6, key == "charge-1"], "it had not come past there"
    assert ("insure-1" in played.settled) is (key == "charge-1")


def test_the_way_that_was_taken_is_taken_at_every_later_replay():
    for journal in (left_by(patched_ship), half_of(charge_and_ship, "ship-1")):
        whole = play(patched_ship, journal=journal)
        for cut in range(len(journal), len(whole.stage.journal)):
            again = play(patched_ship, journal=whole.stage.journal[:cut])
            assert again.result == whole.result
            assert again.settled == whole.settled


def test_code_that_asks_no_more_whether_it_is_new_replays_what_was():
    async def new_way_only(event, ctx):
        charged = await ctx.do("charge", number, 5)
        await ctx.do("insure", number, 1)
        return [charged, await ctx.do("ship", number, 6)]

    assert play(new_way_only, journal=left_by(patched_ship)).result == [5, 6]


def test_a_change_that_is_asked_in_a_loop_is_answered_once():
    async def run(event, ctx):
        return [ctx.patched("x") and await ctx.do("step", number, n) for n in range(3)]

    played = play(run)
    assert played.result == [0, 1, 2]
    assert played.settled[0] == "patched:x"
    assert play(run, journal=played.stage.journal[:-1]).told == played.told


def test_inside_a_step_nobody_knows_what_is_new():
    async def run(event, ctx):
        async def body():
            return ctx.patched("x")

        with pytest.raises(NonRetryableError, match="inside a step"):
            await ctx.do("body", body)

    assert play(run).status == "complete"


def test_the_id_of_a_change_is_a_name():
    async def run(event, ctx):
        for bad in ("", 7, "a\nb"):
            with pytest.raises(InvalidInput):
                ctx.patched(bad)

    assert play(run).status == "complete"


def test_code_on_its_way_out_takes_no_new_way():
    told = []

    async def run(event, ctx):
        try:
            await ctx.wait_for_event("wait", "paid")
        finally:
            told.append(ctx.patched("late"))

    async def script(stage):
        await stage.until(lambda: stage.change)
        stage.turn.drop()
        stage._over.set_result(None)

    play(run, script)
    assert told[-1] is False


# -- what is accepted ---------------------------------------------------------------------------------------


def resumed(journal: list[bytes], **accepted: int) -> list[bytes]:
    """Add what a journal has when it was held, and resumed with what was accepted."""
    kept = {name.replace("_", "-"): order for name, order in accepted.items()}
    moved = [Moved(status.PAUSED, 1), Moved(status.QUEUED, 2, detail={"accepted": kept})]
    return [*journal, *map(facts.encode, moved)]


def accepting(code: Any, journal: list[bytes]) -> list[bytes]:
    """Have other code held, and resumed with what it is held for, as a person does."""
    told, _ = diverged(code, journal)
    return resumed(journal, **{told.recorded.key.replace("-", "_"): told.order})


async def ship_only(event, ctx):
    return await ctx.do("ship", number, 6)


async def turned_round(event, ctx):
    shipped = await ctx.do("ship", number, 6)
    await ctx.do("between", number, 0)
    return [await ctx.do("charge", number, 9), shipped]


async def pay_and_ship(event, ctx):
    paid = await ctx.do("pay", number, 5)
    return [paid, await ctx.do("ship", number, 6)]


async def pay_in_two(event, ctx):
    both = await asyncio.gather(ctx.do("pay", number, 5), ctx.do("tip", number, 5))
    return [*both, await ctx.do("ship", number, 6)]


async def pay_twice(event, ctx):
    paid = [await ctx.do("pay", number, 5), await ctx.do("tip", number, 5)]
    return [*paid, await ctx.do("ship", number, 6)]


@pytest.mark.parametrize(
    ("code", "journal", "result", "ran"),
    [
        (ship_only, lambda: left_by(charge_and_ship), 6, []),
        (ship_only, lambda: half_of(charge_and_ship, "charge-1"), 6, ["ship-1"]),
        (turned_round, lambda: left_by(charge_and_ship), [5, 6], ["between-1"]),
        (turned_round, lambda: half_of(charge_and_ship, "charge-1"), [5, 6], ["ship-1", "between-1"]),
        (pay_and_ship, lambda: left_by(charge_and_ship), [5, 6], ["pay-1"]),
        (pay_in_two, lambda: left_by(charge_and_ship), [5, 5, 6], ["pay-1", "tip-1"]),
    ],
)
def test_code_that_was_accepted_comes_to_the_same_end_at_every_crash(code, journal, result, ran):
    kept = accepting(code, journal())
    before = len([raw for raw in kept if isinstance(facts.decode(raw), Settled)])
    whole = play(code, journal=kept)
    assert (whole.result, whole.settled[before:]) == (result, ran), "what was accepted is not run again"
    for crash in range(whole.commits):
        for options in ({"crash_at": {crash}}, {"crash_after": {crash}}):
            played = play(code, journal=kept, **options)  # type: ignore[arg-type]
            assert (played.result, played.settled[before:]) == (result, ran)
    for cut in range(len(kept), len(whole.stage.journal)):
        again = play(code, journal=whole.stage.journal[:cut])
        assert (again.result, again.settled) == (whole.result, whole.settled)


def test_without_being_accepted_each_of_these_is_held():
    for code in (ship_only, turned_round):
        told, _ = diverged(code, half_of(charge_and_ship, "charge-1"))
        assert told.recorded.key == "charge-1"


def test_each_difference_is_accepted_by_itself():
    async def neither(event, ctx):
        return await ctx.do("other", number, 1)

    journal = left_by(charge_and_ship)
    told, _ = diverged(neither, journal)
    assert told.recorded.key == "charge-1"
    played = play(neither, journal=resumed(journal, charge_1=told.order))
    assert played.settled == ["charge-1", "ship-1", "other-1"], "it was accepted, and runs"
    assert "'ship-1' (do), which the code does not ask for here; `run` has" in played.failure.message
    last = resumed(played.stage.journal, ship_1=0)
    assert play(neither, journal=last).result == 1


def test_each_new_step_before_what_is_recorded_is_accepted_before_it_runs():
    journal = accepting(pay_twice, left_by(charge_and_ship))
    played = play(pay_twice, journal=journal)
    assert played.settled == ["charge-1", "ship-1", "pay-1"]
    assert "code:    step 'tip-1'" in played.failure.message
    journal = accepting(pay_twice, played.stage.journal[:-1])
    assert play(pay_twice, journal=journal).result == [5, 5, 6]


def test_a_sleep_that_was_accepted_and_is_not_slept_holds_nothing_up():
    async def sleeps(event, ctx):
        await ctx.sleep("nap", "1 hour")

    async def script(stage):
        await stage.until(lambda: stage.change)
        stage._over.set_result(None)

    journal = play(sleeps, script).stage.journal
    assert diverged(ship_only, journal)[0].recorded.key == "nap-1"
    assert play(ship_only, journal=resumed(journal, nap_1=1)).result == 6


@pytest.mark.resident("it holds back what a turn hears")
def test_no_step_begins_on_a_new_way_before_that_is_on_disk():
    begun: list[bool] = []

    async def run(event, ctx):
        if ctx.patched("new"):
            await ctx.do("step", body)

    async def body():
        begun.append(True)

    async def script(stage):
        acked = stage.outbox.acked
        held: list[int] = []
        stage.outbox.acked = lambda batch, _: held.append(batch)
        await stage.until(lambda: held)
        assert "patched:new" in stage._settled
        assert list(stage.running) == ["step-1"]
        assert begun == []
        stage.outbox.acked = acked
        acked(held[0], [])

    assert play(run, script).status == "complete"
    assert begun == [True]

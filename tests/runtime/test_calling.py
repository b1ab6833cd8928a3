"""ctx.call: a child is created once, awaited at rest, and asked to cancel when it is given up."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from tests.runtime.stage import INSTANCE, number, play
from wflow.bindings.workflow import WorkflowBinding
from wflow.bundle.manifest import Manifest, WorkflowEntry
from wflow.engine import names, values
from wflow.engine.changes import Rested
from wflow.engine.facts import Opened, Settled
from wflow.engine.outcome import Err, Failure, Ok, Outcome
from wflow.engine.requests import CANCEL, CHILD
from wflow.errors import InstanceEnded, InstanceExists, InvalidInput, NonRetryableError, WorkflowTimeoutError
from wflow.runtime.attempt import here
from wflow.runtime.env import build
from wflow.runtime.failures import failure_of


class Other:
    """The provider of `env.OTHER`, and the store behind it: ``children`` by id, ``told`` every call."""

    name = "OTHER"

    def __init__(self) -> None:
        self.children: dict[str, list[Any]] = {}
        self.told: list[tuple[str, list[Any]]] = []
        self.refuses: Exception | None = None
        self.busy = 0

    def __call__(self, method, arguments):
        return self._answer(method, values.decode(values.encode(arguments)))

    async def _answer(self, method, arguments):
        place = here.get()
        assert place is not None
        assert place.instance == INSTANCE
        assert place.step, "the provider is asked by a step"
        self.told.append((method, arguments))
        if self.refuses is not None:
            raise self.refuses
        if self.busy:
            self.busy -= 1
            raise OSError("busy")
        if method == "call":
            params, id_, awaited, follows = arguments
            created = id_ not in self.children
            self.children.setdefault(id_, [params, awaited, follows])
            return {"id": id_, "created": created}
        assert method == "cancel"
        if arguments[0] in self.children:
            return "running"
        raise InstanceEnded(
            "(instance.cannot_terminate) Cannot terminate instance since its on a finite state"
        )

    @property
    def only(self):
        (child,) = self.children.items()
        return child

    def ends(self, stage, outcome: Outcome):
        """Tell the parent, as the store does when a child is over."""
        _, (_, awaited, _) = self.only
        stage.send(awaited, msgspec.msgpack.encode(outcome))


@pytest.fixture
def other():
    return Other()


def ending(other, outcome):
    """Make a script in which the child ends when its parent waits for it."""

    async def script(stage):
        await stage.until(lambda: other.children and isinstance(stage.change, Rested))
        other.ends(stage, outcome)

    return script


def calling(other, *given, **options):
    async def run(event, ctx):
        return await ctx.call(WorkflowBinding(other), *given, **options)

    return run


DONE = Ok(values.encode({"total": 7}))


@pytest.mark.parametrize("cold", [False, True], ids=["hot", "cold"])
def test_it_creates_the_child_waits_at_rest_and_gives_its_output(other, cold):
    played = play(calling(other, {"order": 3}), ending(other, DONE), cold=cold)
    assert played.result == {"total": 7}
    id_, (params, awaited, follows) = other.only
    assert (params, follows) == ({"order": 3}, True)
    assert awaited == CHILD + id_
    assert names.instance_id(id_) == id_
    assert [(fact.key, fact.kind) for fact in played.facts if isinstance(fact, Settled)] == [
        ("OTHER-1", "do"),
        ("OTHER result-1", "waitForEvent"),
    ]
    created = next(fact for fact in played.facts if isinstance(fact, Settled))
    assert isinstance(created.outcome, Ok)
    assert values.decode(created.outcome.value) == {"id": id_, "awaited": awaited}


def test_without_params_the_payload_is_empty_and_none_stays_none(other):
    async def run(event, ctx):
        for given in ((), (None,), ({"a": 1},)):
            with pytest.raises(InstanceExists):
                await ctx.call(WorkflowBinding(other), *given)

    other.refuses = InstanceExists("taken")
    play(run)
    assert [arguments[0] for _, arguments in other.told] == [{}, None, {"a": 1}]


@pytest.mark.parametrize("point", range(5))
@pytest.mark.parametrize("when", ["crash_at", "crash_after"])
def test_a_crash_anywhere_creates_one_child_all_the_same(other, point, when):
    options: dict[str, Any] = {when: {point}}
    ended: list[int] = []

    async def script(stage):
        await stage.until(lambda: other.children)
        if not ended:
            ended.append(1)
            other.ends(stage, DONE)

    assert play(calling(other), script, **options).result == {"total": 7}
    assert len(other.children) == 1


def test_each_call_has_its_own_child_and_so_has_each_life_of_the_parent(other):
    def twice(seed):
        async def run(event, ctx):
            first, second = ctx.call(WorkflowBinding(other)), ctx.call(WorkflowBinding(other), name="again")
            return await asyncio.gather(first, second)

        async def script(stage):
            before = len(other.children)
            await stage.until(lambda: len(other.children) == before + 2)
            for _, awaited, _ in list(other.children.values())[before:]:
                stage.send(awaited, msgspec.msgpack.encode(DONE))

        return play(run, script, seed=seed).result

    assert twice(b"one seed") == twice(b"another seed") == [{"total": 7}] * 2
    assert len(other.children) == 4


def test_names_and_the_id_can_be_given(other):
    played = play(calling(other, name="ship it", id="ship-3"), ending(other, DONE))
    assert played.settled == ["ship it-1", "ship it result-1"]
    id_, (_, awaited, _) = other.only
    assert id_ == "ship-3"
    assert awaited.startswith(CHILD)
    assert "ship-3" not in awaited, "another call with that id awaits another event"


def test_the_output_comes_as_the_type_that_is_asked_for(other):
    @dataclass
    class Bill:
        total: int

    async def run(event, ctx):
        bill = await ctx.call(WorkflowBinding(other), returns=Bill)
        return [type(bill).__name__, bill.total]

    assert play(run, ending(other, DONE)).result == ["Bill", 7]


def test_an_output_that_does_not_fit_its_type_says_whose_it_is(other):
    played = play(calling(other, returns=list[int]), ending(other, DONE))
    assert played.failure.name == "MismatchError"
    id_, _ = other.only
    assert f"step 'OTHER': what instance {id_!r} gave does not fit list[int]" in played.failure.message


def test_the_childs_own_error_is_raised_with_its_id_in_a_note(other):
    async def run(event, ctx):
        try:
            await ctx.call(WorkflowBinding(other))
        except KeyError as error:
            return [error.args, error.__notes__]

    args, notes = play(run, ending(other, Err(failure_of(KeyError("sku", 3))))).result
    id_, _ = other.only
    assert args == ["sku", 3]
    assert f"raised by instance {id_!r}, which step 'OTHER' called" in notes


def test_a_child_that_was_terminated_is_an_error_too(other):
    terminated = Failure("InstanceTerminated", "the child was terminated", "wflow.errors:InstanceTerminated")
    played = play(calling(other), ending(other, Err(terminated)))
    assert played.status == "errored"
    assert played.failure.name == "InstanceTerminated"
    assert any("raised by instance" in note for note in played.failure.notes)


def test_creating_it_is_retried_like_any_step(other):
    other.busy = 2
    run = calling(other, retries={"limit": 2, "delay": 0})
    assert play(run, ending(other, DONE)).result == {"total": 7}
    assert [method for method, _ in other.told] == ["call"] * 3
    assert len({arguments[1] for _, arguments in other.told}) == 1


def test_what_the_runner_refuses_for_good_is_raised_at_once(other):
    other.refuses = InstanceExists("instance.already_exists: 'x' exists already")
    played = play(calling(other, id="x"))
    assert played.failure.name == "InstanceExists"
    assert len(other.told) == 1


# -- giving it up --------------------------------------------------------------------------------------------


def test_a_call_that_times_out_asks_the_child_to_cancel(other):
    async def run(event, ctx):
        try:
            await ctx.call(WorkflowBinding(other), timeout="1 second")
        except WorkflowTimeoutError as error:
            return str(error)

    played = play(run)
    assert played.result == "Execution timed out after 1000ms"
    id_, _ = other.only
    assert other.told[1:] == [("cancel", [id_])]
    assert played.settled == ["OTHER-1", "OTHER result-1", "OTHER cancel-1"]


@pytest.mark.parametrize("point", range(8))
@pytest.mark.parametrize("when", ["crash_at", "crash_after"])
def test_a_call_that_is_cancelled_asks_the_child_to_cancel_whatever_crashes(other, point, when):
    async def run(event, ctx):
        try:
            async with asyncio.timeout(0.05):
                await ctx.call(WorkflowBinding(other))
        except TimeoutError:
            return await ctx.do("after", number, 1)

    options: dict[str, Any] = {when: {point}}
    played = play(run, **options)
    assert played.result == 1
    id_, _ = other.only
    assert ("cancel", [id_]) in other.told
    assert "OTHER cancel-1" in played.settled


def test_one_that_is_cancelled_before_the_child_is_known_asks_the_one_that_there_may_be(other):
    async def run(event, ctx):
        call = asyncio.create_task(ctx.call(WorkflowBinding(other), retries={"limit": 9, "delay": 20}))
        await ctx.sleep("a moment", 10)
        call.cancel()
        await asyncio.wait([call])
        return [call.cancelled(), await ctx.do("after", number, 1)]

    other.busy = 1
    played = play(run)
    assert played.result == [True, 1]
    (first, (_, id_, *_)), (second, asked) = other.told
    assert (first, second) == ("call", "cancel")
    assert asked == [id_]
    assert not other.children


def test_a_child_that_is_over_meanwhile_is_let_be(other):
    async def run(event, ctx):
        call = asyncio.create_task(ctx.call(WorkflowBinding(other)))
        await ctx.sleep("a moment", 10)
        other.children.clear()
        call.cancel()
        await asyncio.wait([call])
        return call.cancelled()

    played = play(run)
    assert played.result is True
    (settled,) = (fact for fact in played.facts if isinstance(fact, Settled) and "cancel" in fact.key)
    assert settled.outcome == Ok(values.encode(value=False))


def test_a_child_that_is_to_go_on_by_itself_is_never_asked(other):
    async def run(event, ctx):
        try:
            async with asyncio.timeout(0.05):
                await ctx.call(WorkflowBinding(other), cancel_with_parent=False)
        except TimeoutError:
            return "gave up"

    assert play(run).result == "gave up"
    assert [method for method, _ in other.told] == ["call"]
    assert other.only[1][2] is False


def test_when_asking_fails_the_call_ends_as_it_would_have(other):
    async def run(event, ctx):
        try:
            await ctx.call(WorkflowBinding(other), timeout=1_000)
        except WorkflowTimeoutError:
            return "timed out"

    async def script(stage):
        await stage.until(lambda: other.children)
        other.refuses = NonRetryableError("no")

    assert play(run, script).result == "timed out"
    assert [method for method, _ in other.told] == ["call", "cancel"]


def test_a_parent_that_is_asked_to_cancel_passes_it_on(other):
    async def script(stage):
        await stage.until(lambda: other.children and isinstance(stage.change, Rested))
        stage.send(CANCEL)

    played = play(calling(other), script)
    assert played.status == "terminated"
    id_, _ = other.only
    assert other.told[1:] == [("cancel", [id_])]


def test_an_instance_that_is_only_evicted_asks_for_nothing(other):
    async def script(stage):
        await stage.until(lambda: other.children and isinstance(stage.change, Rested))
        stage.change = None
        stage.evict()
        await stage.until(lambda: isinstance(stage.change, Rested))
        other.ends(stage, DONE)

    assert play(calling(other), script).result == {"total": 7}
    assert [method for method, _ in other.told] == ["call"]


def test_it_waits_for_a_year_unless_it_is_told(other):
    played = play(calling(other), ending(other, DONE))
    (opened,) = (fact for fact in played.facts if isinstance(fact, Opened) and fact.kind == "waitForEvent")
    assert opened.detail["timeout"] == names.WAIT_MS_MAX


class Nameless(Other):
    name = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("binding", "options", "told"),
    [
        ("OTHER", {}, "ctx.call takes a workflow of env, not 'OTHER'"),
        (WorkflowBinding(Nameless()), {}, "give the step one: name=..."),
        (WorkflowBinding(Other()), {"name": ""}, "a step name is 1-256 characters"),
        (WorkflowBinding(Other()), {"name": "x" * 250}, "a step name is 1-256 characters"),
        (WorkflowBinding(Other()), {"id": "-x"}, "an instance id is 1-100 letters"),
        (WorkflowBinding(Other()), {"timeout": 10}, "timeout must be at least 1 second, not 10 ms"),
        (WorkflowBinding(Other()), {"timeout": "soon"}, "timeout: 'soon' is no duration"),
        (WorkflowBinding(Other()), {"cancel_with_parent": "no"}, "is True or False, not 'no'"),
        (WorkflowBinding(Other()), {"retries": {"limit": 1}}, "retries"),
        (WorkflowBinding(Other()), {"returns": "Bill"}, "returns must be a type, not the text 'Bill'"),
    ],
)
def test_a_wrong_call_says_what_is_wrong_and_creates_nothing(binding, options, told):
    async def run(event, ctx):
        try:
            await ctx.call(binding, **options)
        except InvalidInput as wrong:
            return wrong.message

    played = play(run)
    assert told in played.result
    assert played.settled == []


def test_its_steps_are_named_after_the_binding_in_env(other):
    manifest = Manifest(
        name="shop",
        main="src/worker.py",
        python="3.11",
        wflow="0.1.0",
        compatibility_date=None,
        workflows=(WorkflowEntry(name="bills", class_name="Bills", binding="BILLS"),),
        kv=(),
        vars={},
        files={},
    )
    asked = []

    async def call(binding, method, arguments):
        asked.append(binding)
        return await other(method, arguments)

    env = build(manifest, {}, call)

    async def run(event, ctx):
        return await ctx.call(env.BILLS, {"order": 3})

    played = play(run, ending(other, DONE))
    assert played.result == {"total": 7}
    assert played.settled == ["BILLS-1", "BILLS result-1"]
    assert asked == ["BILLS"]

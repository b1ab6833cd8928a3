"""Exceptions on their way into the journal and back."""

from __future__ import annotations

import asyncio
import json
import traceback
from typing import Any

import pytest

from wflow.engine import names, values
from wflow.engine.facts import Settled, decode, encode
from wflow.engine.outcome import Err, Failure
from wflow.errors import InstanceExists, NonRetryableError, StepFailed, WorkflowTimeoutError
from wflow.runtime import failures
from wflow.runtime.failures import error_of, failure_of, outcome_of, trace_of


class Declined(Exception):
    """A class of the user's, as most are."""


class Coded(Exception):
    """One that builds its message itself."""

    def __init__(self, code, reason):
        super().__init__(code, reason)
        self.code = code

    def __str__(self):
        return f"{self.args[0]}: {self.args[1]}"


class Keyed(Exception):
    """One that wants more than its arguments, as those of HTTP clients do."""

    def __init__(self, message, *, response):
        super().__init__(message)
        self.response = response


class Changing(Exception):
    """One that never says the same twice."""

    count = 0

    def __str__(self):
        Changing.count += 1
        return f"{Changing.count} times"


class Mute(Exception):
    """One whose text cannot be made."""

    def __str__(self):
        raise OSError("the text is gone")


class Final(NonRetryableError):
    """A final error of the user's, with its own arguments."""

    def __init__(self, order):
        super().__init__(f"order {order} is closed", "OrderClosed")


class Forgetful(NonRetryableError):
    """One that forgets to make its parent."""

    def __init__(self):
        pass


def there_and_back(error: BaseException) -> Any:
    """Raise it, keep it, and bring it back."""
    with pytest.raises(type(error)) as raised:
        raise error
    failure = failure_of(raised.value)
    settled = Settled("step-1", "do", 1, Err(failure))
    assert decode(encode(settled)) == settled
    return error_of(failure)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        ValueError(),
        KeyError("key"),
        Declined("card", 7),
        Coded(404, "gone"),
        Keyed("gone", response=object()),
        FileNotFoundError(2, "No such file or directory", "/x"),
        OSError(5, "broken"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        ConnectionResetError(),
        ZeroDivisionError("division by zero"),
        json.JSONDecodeError("Expecting value", "x", 0),
        WorkflowTimeoutError("Execution timed out after 5ms"),
        InstanceExists("taken", hint="take another"),
        AssertionError("a\nb"),
        ValueError("x" * 30_000),
        ValueError("lone \udc80 surrogate"),
        asyncio.IncompleteReadError(b"ab", 5),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_class_and_the_message_come_back(error):
    back = there_and_back(error)
    assert type(back) is type(error)
    assert str(back) == names.cut(str(error).encode(errors="replace").decode())


@pytest.mark.parametrize(
    "error", [Changing(), StopIteration(5), StopAsyncIteration(), SystemExit(2), asyncio.CancelledError("x")]
)
def test_what_cannot_be_made_again_comes_back_as_a_stand_in_that_names_it(error):
    back = there_and_back(error)
    assert type(back) is StepFailed
    assert back.original == type(error).__name__


def test_an_error_without_a_text_says_so():
    assert failure_of(Mute("x")).message == "(its text cannot be made: OSError)"
    assert type(there_and_back(Mute("x"))) is Mute


def test_a_stand_in_keeps_what_it_stands_for_when_it_is_kept_again():
    first = there_and_back(Changing())
    second = there_and_back(first)
    assert second.original == "Changing"
    assert str(second) == str(first)
    assert failure_of(first).name == "Changing"


@pytest.mark.parametrize(
    ("error", "name", "message"),
    [
        (NonRetryableError(), "NonRetryableError", ""),
        (NonRetryableError("no"), "NonRetryableError", "no"),
        (NonRetryableError("no", "Denied"), "Denied", "no"),
        (NonRetryableError(404, None), "NonRetryableError", "404"),  # type: ignore[arg-type]
        (Final(7), "OrderClosed", "order 7 is closed"),
        (Forgetful(), "Forgetful", ""),
    ],
)
def test_final_errors_keep_their_class_and_name(error, name, message):
    failure = failure_of(error)
    assert (failure.name, failure.message, failure.retryable) == (name, message, False)
    back = there_and_back(error)
    assert type(back) is type(error)
    assert (back.name, str(back)) == (name, message)


def test_a_class_that_bears_the_name_of_the_final_one_is_final_too():
    class NonRetryableError(Exception):
        pass

    failure = failure_of(NonRetryableError())
    assert not failure.retryable or failure.name != "NonRetryableError"


def test_causes_come_back_and_a_long_chain_is_cut():
    error = ValueError("0")
    for n in range(1, 10):
        after = ValueError(str(n))
        after.__cause__ = error
        error = after
    back, chain = there_and_back(error), []
    while back is not None:
        chain.append(str(back))
        back = back.__cause__
    assert chain == [str(n) for n in range(9, 9 - failures.CAUSES - 1, -1)]


def test_an_error_that_is_its_own_cause_does_not_hang():
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    cause = failure_of(one).cause
    assert cause is not None
    assert cause.message == "other"


def test_what_was_being_handled_is_the_cause_unless_it_was_suppressed():
    def fail(suppress):
        try:
            int("x")
        except ValueError:
            if suppress:
                raise ValueError("no") from None
            raise ValueError("no")  # noqa: B904 - on purpose

    for suppress, cause in ((False, "ValueError"), (True, None)):
        with pytest.raises(ValueError, match="no") as raised:
            fail(suppress)
        found = failure_of(raised.value).cause
        assert (found.name if found else None) == cause


def test_the_traceback_shows_the_users_frames_and_not_wflows():
    def of_the_user():
        values.encode(object())

    with pytest.raises(TypeError) as raised:
        of_the_user()
    trace = trace_of(raised.value)
    assert "in of_the_user" in trace
    assert "wflow/engine/values.py" not in trace
    assert trace.startswith("Traceback (most recent call last):\n")
    assert trace.endswith("\n")


def test_a_project_whose_folder_begins_like_ours_has_its_frames_shown(tmp_path):
    folder = type(tmp_path)(failures.__file__).parents[1]
    code = compile("def fail():\n    raise ValueError('no')\n", f"{folder}-demo/src/flow.py", "exec")
    space: dict[str, Any] = {}
    exec(code, space)  # noqa: S102 - a file of that name cannot be written here
    with pytest.raises(ValueError, match="no") as raised:
        space["fail"]()
    assert "wflow-demo/src/flow.py" in trace_of(raised.value)


def test_a_group_shows_what_it_holds():
    async def fail(n):
        raise ValueError(f"part {n}")

    async def code():
        async with asyncio.TaskGroup() as group:
            group.create_task(fail(1))
            group.create_task(fail(2))

    with pytest.raises(ExceptionGroup) as raised:
        asyncio.run(code())
    failure = failure_of(raised.value)
    assert "ValueError: part 1" in failure.trace
    assert "ValueError: part 2" in failure.trace
    back = error_of(failure)
    assert isinstance(back, ExceptionGroup)
    assert [str(one) for one in back.exceptions] == ["part 1", "part 2"]


def test_a_long_traceback_keeps_its_end():
    def recurse(n):
        if n:
            recurse(n - 1)
        else:
            raise ValueError("x" * 20_000 + "end")

    with pytest.raises(ValueError, match="end") as raised:
        recurse(50)
    trace = trace_of(raised.value)
    assert len(trace) <= names.TRACE_CHARS + 3
    assert trace.startswith("...")
    assert trace.endswith("end\n")


def test_notes_and_the_first_traceback_go_with_the_error():
    error = ValueError("no")
    error.add_note("look at order 7")
    back = there_and_back(error)
    shown = "".join(traceback.format_exception(back))
    assert "when it was first raised:" in shown
    assert "look at order 7" in shown
    assert "in there_and_back" in shown


def test_an_error_whose_module_is_gone_comes_back_as_a_stand_in():
    for path in ("no.such.module:Boom", "json:NoSuchClass", "json:loads", "builtins:int", "", "x"):
        back: Any = error_of(Failure("Boom", "it went off", path=path))
        assert (type(back), back.original, str(back)) == (StepFailed, "Boom", "it went off")


def test_what_a_run_returns_or_raises_is_the_outcome():
    async def cancelled():
        raise asyncio.CancelledError

    async def foreign():
        raise RuntimeError("Task <x> got Future <y> attached to a different loop")

    async def big():
        return "x" * 2**20

    async def ended(run):
        task = asyncio.ensure_future(run())
        await asyncio.wait([task])
        return outcome_of(task)

    told = {run: asyncio.run(ended(run)) for run in (cancelled, foreign, big)}
    assert told[cancelled].failure.message == "the workflow cancelled itself"
    assert told[foreign].failure.message.startswith("workflow code cannot await a future that is no step's")
    assert told[big].failure.name == "TooLarge"
    assert "the limit is 1,048,576" in told[big].failure.message

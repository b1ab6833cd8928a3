"""Exceptions there and back: class, message, arguments, attributes, notes, causes, groups and traceback."""

from __future__ import annotations

import asyncio
import contextlib
import enum
import json
import subprocess
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pydantic  # noqa: TID251 - what users write their models with
import pytest

from wflow import errors
from wflow.engine import names, values
from wflow.engine.facts import Settled, decode, encode
from wflow.engine.outcome import INTERRUPTED, Err, Failure
from wflow.errors import NonRetryableError, StepFailed, TooLarge, UnserializableError, WorkflowTimeoutError
from wflow.runtime import failures
from wflow.runtime.failures import error_of, failure_of, outcome_of

made: list[object] = []


class Reason(enum.Enum):
    FUNDS = "funds"


class Declined(Exception):
    """Its __init__ wants other things than what is in `args`."""

    def __init__(self, code: int, *, reason: Reason, detail: tuple[int, str]) -> None:
        made.append(code)
        super().__init__(f"declined with {code}")
        self.code = code
        self.reason = reason
        self.detail = detail


class Bare(Exception):
    """It never calls the __init__ above it."""

    def __init__(self, code: int, text: str) -> None:
        made.append(code)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"


class Holding(Exception):
    def __init__(self, text: str, response: object) -> None:
        super().__init__(text)
        self.response = response
        self.status = 404


class Telling(Exception):
    """Its text is made of what cannot be kept."""

    def __init__(self, response: object) -> None:
        super().__init__(response)
        self.response = response

    def __str__(self) -> str:
        return f"got {type(self.response).__name__}"


class File(OSError):
    def __init__(self, where: str) -> None:
        super().__init__(2, "nothing there", where)
        self.where = where


class Reduced(Exception):
    def __reduce__(self):
        raise RuntimeError("not me")


class Stubborn(Exception):
    """It refuses to be changed."""

    def __setattr__(self, name, value):
        raise AttributeError(name)


@dataclass(frozen=True)
class Frozen(Exception):
    code: int
    pair: tuple[int, int]


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError("no words")


class Empty(Exception):
    def __len__(self) -> int:
        return 0


class Refund(NonRetryableError):
    pass


class Named(NonRetryableError):
    @property
    def name(self):
        raise RuntimeError("no name")

    @name.setter
    def name(self, given):
        pass


class Several(ExceptionGroup[Exception]):
    def derive(self, excs):
        return Several(self.message, excs)


def there_and_back(error: BaseException) -> Exception:
    """Keep an exception as a journal does, and make it again."""
    fact = decode(encode(Settled("a-1", "do", 1, Err(failure_of(error)))))
    assert isinstance(fact, Settled)
    assert isinstance(fact.outcome, Err)
    return error_of(fact.outcome.failure)


def notes_of(error: BaseException) -> list[str]:
    return [note for note in getattr(error, "__notes__", []) if not note.startswith(failures.FIRST)]


def caught(function, *arguments):
    with pytest.raises(Exception) as raised:  # noqa: PT011 - whatever it is
        function(*arguments)
    return raised.value


@pytest.mark.parametrize(
    "error",
    [
        ValueError("wrong"),
        ValueError(),
        ValueError("one", 2, ("three", None)),
        KeyError("order"),
        KeyError(("order", 1)),
        FileNotFoundError(2, "no such file", "a.txt"),
        OSError("just text"),
        ImportError("gone", name="shop", path="/shop"),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
        SyntaxError("bad", ("a.py", 1, 2, "x =", 1, 3)),
        TimeoutError("late"),
        WorkflowTimeoutError("late"),
        asyncio.QueueFull(),
        json.JSONDecodeError("Expecting value", "doc", 3),
        subprocess.CalledProcessError(3, ["ls", "-l"], output=b"out"),
        httpx.ConnectError("no route"),
        msgspec.ValidationError("Expected `int`"),
        TooLarge("over 1 MiB", hint="keep it elsewhere"),
        NonRetryableError("never", "OrderError"),
        Refund("too late"),
        UnserializableError("value: no", "TooLarge"),
        Declined(3, reason=Reason.FUNDS, detail=(1, "a")),
        Bare(3, "three"),
        File("a.txt"),
        Reduced("why"),
        Stubborn("no"),
        Frozen(1, (2, 3)),
        Mute("a"),
        Empty("e"),
    ],
)
def test_an_exception_comes_back_as_itself(error):
    made.clear()
    back = there_and_back(error)
    assert type(back) is type(error)
    assert back.args == error.args
    held = {name: value for name, value in vars(back).items() if name != "__notes__"}
    assert held == vars(error)
    assert failures.message_of(back) == failures.message_of(error)
    assert made == [], "no __init__ of the user's is called"
    for name in ("errno", "filename", "name", "path", "reason", "lineno", "code", "hint"):
        assert getattr(back, name, None) == getattr(error, name, None), name


def test_what_python_itself_keeps_in_an_exception_comes_back():
    back = there_and_back(caught(b"a\xff".decode))
    assert isinstance(back, UnicodeDecodeError)
    assert (back.object, back.start) == (b"a\xff", 1)


@pytest.mark.parametrize(
    ("error", "original", "message"),
    [
        (
            type("Local", (Exception,), {"__qualname__": "made.<locals>.Local"})("odd"),
            "made.<locals>.Local",
            "odd",
        ),
        (StopIteration(3), "StopIteration", "3"),
        (asyncio.CancelledError("stop"), "CancelledError", "stop"),
        (StepFailed("as it was", "shop.Odd"), "shop.Odd", "as it was"),
        (Telling(object()), "Telling", "got object"),
        (
            caught(pydantic.TypeAdapter(int).validate_python, "x"),
            "ValidationError",
            "1 validation error for int",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_cannot_be_made_again_comes_back_as_a_stand_in_that_names_it(error, original, message):
    back = there_and_back(error)
    assert isinstance(back, StepFailed)
    assert back.original == original
    assert str(back).startswith(message)


def test_attributes_that_cannot_be_kept_are_left_out_and_named():
    back: Any = there_and_back(Holding("not found", object()))
    assert type(back) is Holding
    assert (back.args, back.status) == (("not found",), 404)
    assert not hasattr(back, "response")
    assert notes_of(back) == ["could not be kept: response"]


def test_an_attribute_whose_class_is_gone_is_left_out():
    failure = failure_of(Declined(3, reason=Reason.FUNDS, detail=(1, "a")))
    parts: Any = values.decode(failure.kept)
    parts["reason"] = parts["reason"].replace(b":Reason", b":Nobody")
    back = error_of(msgspec.structs.replace(failure, kept=values.encode(parts)))
    assert isinstance(back, Declined)
    assert back.code == 3
    assert not hasattr(back, "reason")


def test_much_that_an_exception_carries_is_left_out():
    error: Any = Holding("x" * 20_000, "y" * 10_000)
    error.more = "z" * 10_000
    failure = failure_of(error)
    assert len(failure.kept) < names.LOG_LINE_CHARS * 2
    assert len(failure.message) == names.LOG_LINE_CHARS
    assert failure.message.endswith("x... (20,000 characters)")
    back = error_of(failure)
    assert type(back) is Holding
    assert str(back) == failure.message
    assert back.response == "y" * 10_000
    assert notes_of(back) == ["could not be kept: more"]


def test_arguments_that_cannot_be_kept_leave_the_message():
    back = there_and_back(ValueError(object))
    assert type(back) is ValueError
    assert back.args == ("<class 'object'>",)


# -- notes, causes, groups -------------------------------------------------------------------------------


def raised(error: Any, cause: BaseException | None = None) -> Any:
    with contextlib.suppress(Exception):
        raise error from cause
    return error


def test_notes_come_back_and_the_traceback_is_one_more():
    error = raised(ValueError("wrong"))
    error.add_note("look at the order")
    error.add_note("and the price")
    back = there_and_back(error)
    assert back.__notes__[:2] == ["look at the order", "and the price"]
    (trace,) = back.__notes__[2:]
    assert trace.startswith("when it was first raised:\nTraceback (most recent call last):")
    assert trace.endswith("ValueError: wrong"), "the notes are not told twice"
    assert "raise error from cause" in trace


def test_an_exception_that_comes_back_twice_has_its_notes_once():
    error = raised(ValueError("wrong"))
    error.add_note("look")
    once = raised(there_and_back(error))
    twice = there_and_back(once)
    assert notes_of(twice) == ["look"]
    assert len(twice.__notes__) == 2
    assert twice.__notes__[1].count("when it was first raised") == 2


def test_notes_have_limits_and_what_is_no_note_is_left_out():
    error: Any = ValueError("wrong")
    for n in range(30):
        error.add_note(str(n))
    assert notes_of(there_and_back(error)) == [str(n) for n in range(16)]
    error.__notes__ = [1, "x" * 20_000, "short"]
    assert notes_of(there_and_back(error)) == []
    error.__notes__ = "what?"
    assert notes_of(there_and_back(error)) == []


def test_causes_come_back():
    error = raised(KeyError("a"), raised(ValueError("b"), OSError("c")))
    back = there_and_back(error)
    assert isinstance(back.__cause__, ValueError)
    assert isinstance(back.__cause__.__cause__, OSError)
    assert back.__cause__.__cause__.__cause__ is None


def test_what_was_being_handled_is_a_cause_unless_it_was_suppressed():
    error = ValueError("second")
    error.__context__ = Empty("first")
    assert type(there_and_back(error).__cause__) is Empty
    error.__suppress_context__ = True
    assert there_and_back(error).__cause__ is None


def test_causes_that_go_in_a_circle_end():
    one: Any = ValueError("one")
    other: Any = KeyError("other")
    one.__cause__, other.__cause__ = other, one
    back = there_and_back(one)
    assert isinstance(back.__cause__, KeyError)
    assert back.__cause__.__cause__ is None


def test_a_long_line_of_causes_is_cut():
    error: Any = ValueError("0")
    for n in range(1, 50):
        error = raised(ValueError(str(n)), error)
    back: Any = there_and_back(error)
    depth = 0
    while back.__cause__ is not None:
        depth, back = depth + 1, back.__cause__
    assert depth == failures.CAUSES


def test_a_group_comes_back_with_its_members():
    inner = ExceptionGroup("inner", [raised(KeyError("a"), OSError("why"))])
    error: Any = Several("outer", [ValueError("b"), inner])
    vars(error)["code"] = 3
    back: Any = there_and_back(error)
    assert type(back) is Several
    assert str(back) == "outer (2 sub-exceptions)"
    assert vars(back)["code"] == 3
    first, second = back.exceptions
    assert (type(first), first.args) == (ValueError, ("b",))
    assert type(second) is ExceptionGroup
    assert type(second.exceptions[0].__cause__) is OSError
    assert back.subgroup(KeyError) is not None
    assert "+-+---------------- 1 ----------------" in failure_of(error).trace


def test_a_group_of_very_many_keeps_some():
    error = ExceptionGroup("many", [ValueError(str(n)) for n in range(100)])
    back = there_and_back(error)
    assert isinstance(back, ExceptionGroup)
    assert len(back.exceptions) == failures.MEMBERS - 1
    assert notes_of(back) == ["69 more exceptions could not be kept"]


def test_groups_in_groups_have_an_end():
    error: Exception = ValueError("deep")
    for _ in range(20):
        error = ExceptionGroup("group", [error])
    back = there_and_back(error)
    depth = 0
    while isinstance(back, ExceptionGroup):
        depth, back = depth + 1, back.exceptions[0]
    assert depth == failures.CAUSES
    assert isinstance(back, StepFailed)
    assert back.original == "ExceptionGroup"


@pytest.mark.parametrize(
    ("error", "retryable"),
    [
        (ValueError(), True),
        (NonRetryableError(""), False),
        (Refund(""), False),
        (UnserializableError(""), False),
        (type("NonRetryableError", (Exception,), {})(), False),
        (ExceptionGroup("g", [ValueError(), NonRetryableError("")]), False),
        (ExceptionGroup("g", [ValueError()]), True),
        (raised(ValueError(), NonRetryableError("")), True),
    ],
)
def test_an_attempt_is_not_repeated_when_any_part_of_its_error_says_so(error, retryable):
    assert failure_of(error).retryable is retryable


# -- odd ones --------------------------------------------------------------------------------------------


def test_an_exception_without_words_is_told_all_the_same():
    failure = failure_of(raised(Mute("a")))
    assert failure.message == "(its text cannot be made: ValueError)"
    assert "Mute" in failure.trace


def test_an_exception_that_fails_when_it_is_looked_at_is_a_failure_all_the_same():
    failure = failure_of(Named("quiet"))
    assert (failure.name, failure.message, failure.path) == ("Named", "quiet", "")
    assert isinstance(error_of(failure), StepFailed)


def test_a_name_that_was_given_is_kept_and_the_class_is_the_name_otherwise():
    assert failure_of(Refund("x")).name == "Refund"
    assert failure_of(Refund("x", "Other")).name == "Other"
    assert vars(there_and_back(Refund("x", "Other")))["name"] == "Other"


def test_what_the_engine_fails_with_comes_back_as_the_class_that_it_names():
    assert type(error_of(INTERRUPTED)) is errors.StepInterrupted
    full = error_of(Failure("TooLarge", "over", path="wflow.errors:TooLarge"))
    assert isinstance(full, TooLarge)
    assert (full.message, full.hint) == ("over", None)


def test_what_an_older_journal_kept_comes_back():
    old = Failure("ValueError", "('a', 1)", path="builtins:ValueError", args=values.encode(["a", 1]))
    back = error_of(old)
    assert type(back) is ValueError
    assert back.args == ("a", 1)


# -- the end of `run` ------------------------------------------------------------------------------------


async def ended(coroutine: Any) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.create_task(coroutine)
    await asyncio.wait([task])
    return task


def test_an_output_that_fails_when_it_is_looked_at_is_the_instances_failure():
    class Trap(dict[str, object]):
        def items(self):
            raise Mute("x")

    async def run():
        return Trap(a=1)

    outcome = outcome_of(asyncio.run(ended(run())))
    assert isinstance(outcome, Err)
    assert outcome.failure.name == "Mute"
    assert outcome.failure.path == "wflow.errors:UnserializableError"
    assert outcome.failure.message.startswith("`run` returned what cannot be kept: (its text cannot be made")


def test_an_error_of_run_without_words_is_the_instances_failure():
    class Quiet(RuntimeError):
        def __str__(self):
            raise ValueError

    async def run():
        raise Quiet

    outcome = outcome_of(asyncio.run(ended(run())))
    assert isinstance(outcome, Err)
    assert outcome.failure.message == "(its text cannot be made: ValueError)"

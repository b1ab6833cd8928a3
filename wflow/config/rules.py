"""What a value may be: each rule is a sentence for the person whose value breaks it."""

from __future__ import annotations

import keyword
import math
import re
from datetime import date, time
from pathlib import PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Final, Literal, TypeVar

from wflow.config.report import WRONG, Report, Wrong
from wflow.config.shapes import shaped
from wflow.config.tree import Node, show_value
from wflow.engine import durations, names
from wflow.errors import InvalidInput
from wflow.wire import rates

if TYPE_CHECKING:
    from collections.abc import Callable

    from wflow.config.keys import Rule

TEXT_CHARS: Final = 1_024
WORKER_NAME_CHARS: Final = 63
"""A name becomes a label of a host name at Cloudflare."""
QUEUE_NAME_CHARS: Final = 63
PATH_PARTS: Final = 10
"""Names in a dotted path into an instance's params."""
INTEGER_MAX: Final = 2**63 - 1
"""TOML asks for 64 bits, and no more crosses the link."""

_WORKER_NAME = re.compile(rf"[a-z0-9_][a-z0-9_-]{{0,{WORKER_NAME_CHARS - 1}}}")
_QUEUE_NAME = re.compile(rf"\w[\w-]{{0,{QUEUE_NAME_CHARS - 1}}}", re.ASCII)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SCRIPTS: Final = (".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx")

T = TypeVar("T")


def scalar(check: Callable[[object], T]) -> Rule:
    """Make a rule of a function that gives back the value or raises ValueError with what it must be."""

    def rule(node: Node, report: Report) -> T | Literal[Wrong.WRONG]:
        try:
            return check(node.value)
        except ValueError as error:
            return report.wrong(node, str(error))
        except InvalidInput as error:
            return report.wrong(node, error.message)

    return rule


def each(one: Rule) -> Rule:
    """Make a rule for an array: a tuple of what ``one`` gives for each element."""

    @shaped(each=one)
    def rule(node: Node, report: Report) -> tuple[object, ...] | Literal[Wrong.WRONG]:
        if not isinstance(node.value, list):
            return report.wrong(node, f"must be an array, not {show_value(node.value)}")
        values = tuple(one(child, report) for child in node.value)
        return WRONG if any(value is WRONG for value in values) else values

    return rule


def one_or_more(one: Rule) -> Rule:
    """Make a rule for one value or an array that is not empty: a tuple either way."""
    many = each(one)

    @shaped(one_or_more=one)
    def rule(node: Node, report: Report) -> object:
        if node.value == []:
            return report.wrong(node, "must not be empty; leave the key out instead")
        if isinstance(node.value, list):
            return many(node, report)
        value = one(node, report)
        return value if value is WRONG else (value,)

    return rule


def optional(one: Rule) -> Rule:
    """Make a rule for a value that JSON may leave open by `null`: None then."""

    @shaped(optional=one)
    def rule(node: Node, report: Report) -> object:
        return None if node.value is None else one(node, report)

    return rule


def one_of(*choices: str) -> Rule:
    """Make a rule for one of a few words."""

    @shaped(enum=list(choices))
    @scalar
    def rule(value: object) -> str:
        if isinstance(value, str) and value in choices:
            return value
        known = " or ".join(f'"{choice}"' for choice in choices)
        raise ValueError(f"must be {known}, not {show_value(value)}")

    return rule


def whole(low: int, high: int) -> Rule:
    """Make a rule for a whole number from ``low`` to ``high``."""

    @shaped(type="integer", minimum=low, maximum=high)
    @scalar
    def rule(value: object) -> int:
        if type(value) is int and low <= value <= high:
            return value
        raise ValueError(f"must be a whole number from {low:,} to {high:,}, not {show_value(value)}")

    return rule


@shaped(type="string", minLength=1, maxLength=TEXT_CHARS)
@scalar
def text(value: object) -> str:
    """Take a string that shows."""
    if isinstance(value, str) and 0 < len(value) <= TEXT_CHARS and value.isprintable():
        return value
    raise ValueError(f"must be a string of 1-{TEXT_CHARS:,} printable characters, not {show_value(value)}")


@shaped(type="string", pattern="^[A-Za-z_][A-Za-z0-9_]*$")
@scalar
def identifier(value: object) -> str:
    """Take what can follow ``self.env.`` or ``class`` in Python, in ASCII."""
    if isinstance(value, str) and value.isidentifier() and value.isascii() and len(value) <= TEXT_CHARS:
        if keyword.iskeyword(value):
            raise ValueError(f"must not be a keyword of Python such as {show_value(value)}")
        if not value.startswith("__"):
            return value
    raise ValueError(
        "must be a Python name (letters, digits and `_`, with no digit and no `__` first), "
        f"not {show_value(value)}"
    )


workflow_name: Final = shaped(type="string", minLength=1, maxLength=64)(scalar(names.workflow_name))


@shaped(type="string", pattern=f"^{_WORKER_NAME.pattern}$")
@scalar
def worker_name(value: object) -> str:
    """Take a Worker's or an environment's name."""
    if isinstance(value, str) and _WORKER_NAME.fullmatch(value):
        return value
    raise ValueError(
        f"must be 1-{WORKER_NAME_CHARS} lower-case letters, digits, `_` or `-`, with no `-` first, "
        f"not {show_value(value)}"
    )


@shaped(type="string", pattern=f"^{_QUEUE_NAME.pattern}$")
@scalar
def queue_name(value: object) -> str:
    """Take a queue's name."""
    if isinstance(value, str) and _QUEUE_NAME.fullmatch(value):
        return value
    raise ValueError(
        f"must be 1-{QUEUE_NAME_CHARS} letters, digits, `_` or `-`, with no `-` first, "
        f"not {show_value(value)}"
    )


@shaped(type="string", pattern=r"\.py$")
@scalar
def python_file(value: object) -> str:
    """Take the path of a ``.py`` file inside the project; gives it with ``/`` and without ``./``."""
    path = PurePosixPath(value.replace("\\", "/")) if isinstance(value, str) and value.isprintable() else None
    if path is None or not path.name:
        raise ValueError(f"must be the path of a Python file, not {show_value(value)}")
    if path.is_absolute() or PureWindowsPath(path).drive or ".." in path.parts:
        raise ValueError(f"must be a path inside the project's folder, not {show_value(value)}")
    if path.suffix in _SCRIPTS:
        raise ValueError(f"must be a Python file: wflow runs no JavaScript such as {show_value(value)}")
    if path.suffix != ".py":
        raise ValueError(f"must be a Python file that ends with `.py`, not {show_value(value)}")
    return str(path)


@shaped(type="string", pattern=f"^{_DATE.pattern}$")
@scalar
def day(value: object) -> str:
    """Take a date in quotes."""
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            date.fromisoformat(value)
            return value
    except ValueError:
        pass
    raise ValueError(f'must be a date in quotes, such as "2026-01-31", not {show_value(value)}')


@shaped(type=["string", "integer"])
@scalar
def duration(value: object) -> int:
    """Take milliseconds, or text such as ``"3 days"``; gives milliseconds."""
    try:
        return durations.milliseconds(value)
    except (ValueError, OverflowError):
        raise ValueError(
            f'must be 0 to 365 days, in milliseconds or as "3 days", not {show_value(value)}'
        ) from None


@shaped(type="string")
@scalar
def rate(value: object) -> float:
    """Take text such as ``"300/s"``; gives how many a second."""
    try:
        return rates.parse(value)
    except ValueError as wrong:
        raise ValueError(f"must be a rate, not {show_value(value)}: {wrong}") from None


@shaped(type="string")
@scalar
def dotted(value: object) -> str:
    """Take the names that lead to a value in an instance's params."""
    if isinstance(value, str) and len(value) <= TEXT_CHARS and value.isprintable():
        parts = value.split(".")
        if all(parts) and len(parts) <= PATH_PARTS:
            return value
    raise ValueError(
        'must be the way to a value in the params, such as "customer.id" '
        f"(1-{PATH_PARTS} names), not {show_value(value)}"
    )


@shaped(type="string", maxLength=256)
@scalar
def cron(value: object) -> str:
    """Take the five fields of a schedule."""
    from wflow.wire import crons  # only those who have schedules pay

    try:
        return crons.parse(value)
    except ValueError as wrong:
        raise ValueError(f"{wrong}; not {show_value(value)}") from None


@shaped(type="object")
def json_table(node: Node, report: Report) -> object:
    """Take a table of anything that JSON can say as well, and give it plain."""
    if not isinstance(node.value, dict):
        return report.wrong(node, f"must be a table, not {show_value(node.value)}")
    return _json(node, report)


def _json(node: Node, report: Report) -> object:
    match node.value:
        case dict() as table:
            values = {name: _json(child, report) for name, child in table.items()}
            return WRONG if any(value is WRONG for value in values.values()) else values
        case list() as array:
            items = [_json(child, report) for child in array]
            return WRONG if any(item is WRONG for item in items) else items
        case date() | time():
            return report.wrong(node, "must not be a date or a time: put it in quotes")
        case float() as number if not math.isfinite(number):
            return report.wrong(node, f"must be a finite number, not {number}")
        case int() as number if not -INTEGER_MAX - 1 <= number <= INTEGER_MAX:
            return report.wrong(node, f"must fit in 64 bits, not {show_value(number)}")
    return node.value

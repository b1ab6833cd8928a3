"""Who gets what part of the traffic, as a person says it: `7@90`, `0f2e@10`, or answers to questions."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import typer

from wflow.cli import output, versions
from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Shown = Mapping[str, Any]

_MOST: Final = 2
"""Versions that are live at once."""
_EPSILON: Final = 0.001
"""How far from 100 the shares may be together, as the runner has it."""

_HEAD: Final = ("Number", "Version ID", "Live", "Tag", "Message")
_PERCENT = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)%?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A version by one of its names, or by its tag; without a percentage it shares what the others leave."""

    text: str
    percentage: float | None
    by_tag: bool = False


def parse(text: str, *, by_tag: bool = False) -> Spec:
    """Read `NAME` or `NAME@PERCENT`; a tag may have an `@` of its own. Raises UsageError."""
    name, at, share = text.rpartition("@")
    percent = _PERCENT.fullmatch(share.strip()) if at else None
    if percent is None:
        if at and not by_tag:
            raise UsageError(f"`{text}` names no percentage", hint="it looks like `7@90` or `0f2e91c4@12.5`")
        name, given = text, None
    else:
        given = float(percent[1])
    if not name.strip():
        raise UsageError(f"`{text}` names no version", hint="it looks like `7@90` or `0f2e91c4@12.5`")
    return Spec(text=name.strip(), percentage=given, by_tag=by_tag)


def resolve(specs: Sequence[Spec], found: Sequence[Shown]) -> list[tuple[Shown, float]]:
    """Find the versions that are meant, and share the traffic among them; raises UsageError."""
    if len(specs) > _MOST:
        raise UsageError(f"{len(specs)} versions are named; {_MOST} can be live at once")
    chosen = [_tagged(found, one.text) if one.by_tag else versions.pick(found, one.text) for one in specs]
    if len({one["id"] for one in chosen}) < len(chosen):
        raise UsageError(f"{versions.brief(chosen[0])} is named twice")
    given = [one.percentage for one in specs if one.percentage is not None]
    left, open_ones = 100 - math.fsum(given), len(specs) - len(given)
    if open_ones and left <= 0:
        raise UsageError(f"{100 - left:g}% is given away already", hint="give the others less")
    if not open_ones and abs(left) > _EPSILON:
        hint = f"name the version that gets the other {left:g}% as well" if left > 0 else None
        raise UsageError(f"the shares make {100 - left:g}% together; they must make 100%", hint=hint)
    percentages = [left / open_ones if one.percentage is None else one.percentage for one in specs]
    if any(share <= 0 for share in percentages):
        raise UsageError("a share is more than 0%", hint="leave a version out that is to get nothing")
    return list(zip(chosen, percentages, strict=True))


def ask(found: Sequence[Shown], live: Mapping[str, float]) -> list[Spec]:
    """Ask which of the last versions are to be live, and with which shares."""
    listed = found[: versions.LISTED]
    told = (
        (
            str(one["number"]),
            one["id"],
            f"{live[one['id']]:g}%" if one["id"] in live else "-",
            one["tag"] or "-",
            one["message"] or "-",
        )
        for one in listed
    )
    rows = [[output.printable(cell) for cell in row] for row in (_HEAD, *told)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        output.say("  ".join(map(str.ljust, row, widths)).rstrip())
    named = _typed("Which version, or which two? (numbers, with a space between)", str(listed[0]["number"]))
    names = named.replace(",", " ").split()
    if not 1 <= len(names) <= _MOST:
        raise UsageError(f"{len(names)} versions are named; one or {_MOST} can be live at once")
    if len(names) == 1:
        return [parse(f"{names[0]}@100")]
    share = _typed(f"How much of the traffic goes to {names[0]}? (percent)", "10")
    return [parse(f"{names[0]}@{share}"), parse(names[1])]


def _typed(question: str, default: str) -> str:
    answer: str = typer.prompt(question, default=default, err=True)
    return answer.strip()


def _tagged(found: Sequence[Shown], tag: str) -> Shown:
    fitting = [one for one in found if one["tag"] == tag]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise UsageError(
            f"the tag `{tag}` is that of more than one version",
            hint="name one of them: " + ", ".join(versions.brief(one) for one in fitting),
        )
    tags = sorted({one["tag"] for one in found if one["tag"]})
    raise UsageError(
        f"no version has the tag `{tag}`", hint=f"there are {', '.join(tags[: versions.LISTED]) or 'none'}"
    )

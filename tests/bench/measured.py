"""What a benchmark tells: one row for each figure, with what was to be reached, judged and shown alike."""

from __future__ import annotations

import statistics
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class Scale(StrEnum):
    """How much work: what the numbers speak of, enough for a look, or just enough to see that it runs."""

    FULL = "full"
    QUICK = "quick"
    TINY = "tiny"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure: its ``samples`` in ``unit``, and ``bare`` ones of the same work without an engine.

    ``goal`` is what the median is to reach; with ``of_bare`` it is the ratio of the medians that is to. More
    is better when it is ``at_least``. ``beside`` has what helps to read the figure, by name.
    """

    bench: str
    work: str
    unit: str
    samples: list[float]
    goal: float | None = None
    at_least: bool = False
    bare: list[float] = []
    of_bare: bool = False
    beside: dict[str, float] = {}

    @property
    def median(self) -> float:
        """What is compared and judged."""
        return statistics.median(self.samples)

    @property
    def ratio(self) -> float | None:
        """How it compares with the bare work; None where there is none."""
        return self.median / statistics.median(self.bare) if self.bare else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        judged = self.ratio if self.of_bare else self.median
        if self.goal is None or judged is None:
            return None
        return judged >= self.goal if self.at_least else judged <= self.goal


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """A run of several benchmarks on one machine; ``broken`` says which ended without rows."""

    at: str
    scale: Scale
    machine: str
    rows: list[Row]
    broken: list[str]


HEADS = ("work", "to reach", "measured", "range", "of bare", "")


def table(rows: Sequence[Row]) -> str:
    """Lay rows out for a person, with what stands beside a figure below it."""
    head, *lines = columns([HEADS, *(_cells(row) for row in rows)])
    text = [head]
    for line, row in zip(lines, rows, strict=True):
        text.append(line)
        if row.beside:
            text.append("    " + " · ".join(f"{name} {figure(value)}" for name, value in row.beside.items()))
    return "\n".join(text)


def columns(lines: Sequence[Sequence[str]]) -> list[str]:
    """Align cells: the first of each line to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return [
        "  ".join(
            [
                f"{line[0]:<{widths[0]}}",
                *(f"{cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True)),
            ]
        ).rstrip()
        for line in lines
    ]


def figure(value: float) -> str:
    """Write a number with three digits that count, or all of them before the point."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.3g}"


def _cells(row: Row) -> tuple[str, ...]:
    sign = "≥" if row.at_least else "≤"
    unit = "x bare" if row.of_bare else row.unit
    return (
        row.work,
        "" if row.goal is None else f"{sign} {figure(row.goal)} {unit}",
        f"{figure(row.median)} {row.unit}",
        f"{figure(min(row.samples))} to {figure(max(row.samples))}" if len(row.samples) > 1 else "",
        "" if row.ratio is None else f"{row.ratio:.2f}",
        {None: "", True: "ok", False: "MISSED"}[row.met],
    )

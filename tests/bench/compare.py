"""What has changed between two runs: `python -m tests.bench.compare BEFORE.json AFTER.json`.

Without arguments it takes the two latest of .bench. Rows are matched by benchmark and work; what is compared
is the ratio to bare where there is one, as two runs may have met two moods of the machine.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tests.bench.measured import Row, Run, columns, figure

if TYPE_CHECKING:
    from collections.abc import Sequence

HEADS = ("work", "before", "after", "change", "")


def main(arguments: Sequence[str]) -> None:
    """Print the table."""
    paths = [Path(each) for each in arguments] or sorted(Path(".bench").glob("20*.json"))[-2:]
    if len(paths) != 2:
        raise SystemExit("error: it takes two files, or two runs in .bench")
    before, after = (msgspec.json.decode(path.read_bytes(), type=Run) for path in paths)
    print(f"before: {before.machine}, {before.at}\nafter:  {after.machine}, {after.at}\n")
    print(compared(before.rows, after.rows))


def compared(before: Sequence[Row], after: Sequence[Row]) -> str:
    """Lay out the rows that both have."""
    known = {(row.bench, row.work): row for row in before}
    pairs = [(known[row.bench, row.work], row) for row in after if (row.bench, row.work) in known]
    return "\n".join(columns([HEADS, *(_cells(old, new) for old, new in pairs)]))


def _cells(old: Row, new: Row) -> tuple[str, ...]:
    first, second = (row.ratio if row.ratio is not None else row.median for row in (old, new))
    unit = new.unit if new.ratio is None else "x bare"
    change = f"{(second / first - 1) * 100:+.0f} %" if first else ""
    better = "" if first == second else "better" if (second > first) == new.at_least else "worse"
    return (new.work, f"{figure(first)} {unit}", f"{figure(second)} {unit}", change, better)


if __name__ == "__main__":
    main(sys.argv[1:])

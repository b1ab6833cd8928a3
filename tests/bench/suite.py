"""How a benchmark is run: by itself with its own table, or as one of all by `python -m tests.bench`.

    python tests/bench/steps.py [--scale full|quick|tiny] [--json FILE] [--profile FOLDER] [FIELD=VALUE ...]

A field is one of the file's size: `rounds=3 shapes=1000x10,100x100`.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from tests.bench import profiles
from tests.bench.measured import Row, Scale, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

S = TypeVar("S")


def alone(sizes: Mapping[Scale, S], measure: Callable[[S], Iterable[Row]]) -> None:
    """Be the command of one benchmark: measure what the arguments say, print and keep the rows."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scale", type=Scale, default=Scale.FULL)
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--profile", type=Path, help="write profiles of runner and runtime to this folder")
    parser.add_argument("fields", nargs="*", metavar="FIELD=VALUE", help="change the size")
    given = parser.parse_args()
    if given.profile:
        os.environ[profiles.FOLDER] = str(given.profile.absolute())
    size = changed(sizes[given.scale], given.fields)
    rows = []
    for row in measure(size):
        rows.append(row)
        sys.stderr.write(f"  {row.work}: {row.median:,.4g} {row.unit}\n")
    if given.json:
        given.json.write_bytes(msgspec.json.encode(rows))
    print(table(rows))


def changed(size: S, fields: Iterable[str]) -> S:
    """Change a size by `FIELD=VALUE`; a value is read as what stands there."""
    new: dict[str, Any] = {}
    for each in fields:
        name, _, text = each.partition("=")
        before = getattr(size, name)
        new[name] = tuple(text.split(",")) if isinstance(before, tuple) else type(before)(text)
    return dataclasses.replace(size, **new)  # type: ignore[type-var]  # every size is a dataclass

"""All benchmarks in turn, one table, and the same as JSON.

python -m tests.bench [--only steps,create] [--scale quick] [--profile] [--json FILE]
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from tests.bench.measured import Row, Run, Scale, table

ROOT: Final = Path(__file__).parents[2]
HERE: Final = Path(__file__).parent
NAMES: Final = (
    "steps",
    "alone",
    "create",
    "create_batch",
    "parallel",
    "replay",
    "asleep",
    "running",
    "queued",
    "fair",
    "retire",
    "save",
    "start",
    "killed",
)
"""In the order in which they are run and shown; each is a file beside this one."""


def main() -> int:
    """Run what the arguments name; the exit code is 1 when a benchmark broke, whatever the figures are."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--only", default="", help=f"some of {', '.join(NAMES)}")
    parser.add_argument("--scale", type=Scale, default=Scale.FULL)
    parser.add_argument("--profile", action="store_true", help="write profiles beside the JSON")
    parser.add_argument("--json", type=Path, help="where to; .bench/<date>.json if it is not said")
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else NAMES
    if unknown := set(wanted) - set(NAMES):
        parser.error(f"there is no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    now = datetime.now(UTC)
    file = given.json or ROOT / ".bench" / f"{now:%Y-%m-%d-%H%M%S}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    run = Run(at=now.isoformat(timespec="seconds"), scale=given.scale, machine=machine(), rows=[], broken=[])
    for name in wanted:
        sys.stderr.write(f"{name}\n")
        profile = file.with_suffix("") / name if given.profile else None
        try:
            run.rows.extend(measured(name, given.scale, profile))
        except subprocess.CalledProcessError as broke:
            run.broken.append(f"{name} broke with exit code {broke.returncode}")
        file.write_bytes(msgspec.json.format(msgspec.json.encode(run)))
    print(f"{run.machine}, {run.at}\n\n{table(run.rows)}\n")
    for told in run.broken:
        print(told)
    print(f"{file}\n")
    return 1 if run.broken else 0


def measured(name: str, scale: Scale, profile: Path | None = None) -> list[Row]:
    """Run one benchmark in a process of its own; raises CalledProcessError when it broke."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "rows.json"
        arguments: list[str | Path] = [sys.executable, HERE / f"{name}.py", "--scale", scale, "--json", told]
        if profile is not None:
            arguments += ["--profile", profile]
        subprocess.run(arguments, cwd=ROOT, stdout=subprocess.DEVNULL, check=True)
        return msgspec.json.decode(told.read_bytes(), type=list[Row])


def machine() -> str:
    """Say what it is measured on, and which commit."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],  # noqa: S607 - a developer's tool
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, {commit or 'no commit'}"


if __name__ == "__main__":
    sys.exit(main())

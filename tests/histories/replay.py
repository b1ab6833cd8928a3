"""Replays histories against a project in one process, and prints the verdicts as JSON.

PYTHONHASHSEED=N python -P tests/histories/replay.py PROJECT FILE...
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

from wflow.bundle import manifest as manifests
from wflow.config import load
from wflow.runtime import replay
from wflow.wire import history


async def verdicts(project: Path, files: list[Path]) -> dict[str, dict[str, object]]:
    described = load.load(path=project / "wflow.toml")
    os.chdir(project)
    loaded = replay.load(described.root, manifests.of(described), {})
    found: dict[str, dict[str, object]] = {}
    for file in files:
        recorded = history.read(file.read_bytes())
        rehearsal = loaded.rehearsal(recorded)
        verdict = rehearsal.play()
        rehearsal.close()
        found[file.name] = {
            "heard": verdict.heard,
            "recorded": verdict.recorded,
            "failure": None if verdict.failure is None else verdict.failure.message,
        }
    return found


def main() -> None:
    project, *files = map(Path, sys.argv[1:])
    with contextlib.redirect_stdout(sys.stderr):
        found = asyncio.run(verdicts(project.absolute(), [file.absolute() for file in files]))
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main()

"""Profiles of runners and runtimes, in this process and in others, begun and ended from outside."""

from __future__ import annotations

import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.bench.profiling import sitecustomize as profiling

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = "WFLOW_BENCH_PROFILE"
"""The environment's name for the folder that profiles are written to; without it there are none."""
WRITING_S: Final = 10.0
"""How long processes may take to write."""
LOOK_S: Final = 0.02
_SOURCE: Final = Path(__file__).parent / "profiling" / "sitecustomize.py"


def folder() -> Path | None:
    """Say where profiles go, if they are wanted."""
    named = os.environ.get(FOLDER)
    return Path(named) if named else None


def prepare() -> None:
    """Have processes that start from now on able to profile themselves, and threads of this one do so."""
    into = folder()
    if into is None:
        return
    into.mkdir(parents=True, exist_ok=True)
    shutil.copy(_SOURCE, into)
    paths = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if str(into) not in paths:
        # A runtime inherits this and little else.
        os.environ["PYTHONPATH"] = os.pathsep.join([str(into), *filter(None, paths)])
    profiling.watch_threads()


def begin(processes: Sequence[int], *, here: bool) -> None:
    """Profile these processes from now on, and this thread if a runner is ``here``."""
    if folder() is None:
        return
    _signal(processes)
    if here:
        profiling.begin()


def end(processes: Sequence[int], *, here: bool) -> None:
    """End what `begin` began, and wait until it is written."""
    into = folder()
    if into is None:
        return
    written = {pid: _written(into, pid) for pid in processes}
    _signal(processes)
    if here:
        profiling.end(into, "runner")
    deadline = time.monotonic() + WRITING_S
    while any(_written(into, pid) == before for pid, before in written.items()):
        assert time.monotonic() < deadline, f"no profile of {written}"
        time.sleep(LOOK_S)


def _written(into: Path, pid: int) -> float:
    """Tell when the profile of a process's loop was written, its last one; 0 when it is not."""
    return max((found.stat().st_mtime for found in into.glob(f"*-{pid}-*-loop.txt")), default=0.0)


def _signal(processes: Sequence[int]) -> None:
    for pid in processes:
        os.kill(pid, signal.SIGUSR1)

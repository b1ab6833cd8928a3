"""Profiles a process of ours from within: a copy of this is on its PYTHONPATH, profiles go beside the copy.

The first SIGUSR1 begins, the second one ends and writes. Threads that start meanwhile or before have a
profile each, from their beginning.
"""

from __future__ import annotations

import cProfile
import io
import os
import pstats
import signal
import sys
import threading
from pathlib import Path
from typing import Any

LINES = 25
_threads: list[tuple[str, cProfile.Profile]] = []
_main: list[cProfile.Profile] = []
_ends: list[str] = []


def watch_threads() -> None:
    """Give every thread that starts from now on a profile of its own."""

    def first(frame: Any, event: str, arg: Any) -> None:
        sys.setprofile(None)
        profile = cProfile.Profile()
        _threads.append((threading.current_thread().name, profile))
        profile.enable()

    threading.setprofile(first)


def begin() -> None:
    """Profile this thread from now on."""
    profile = cProfile.Profile()
    _main.append(profile)
    profile.enable()


def end(folder: Path, role: str) -> None:
    """Write what this thread and others did: the hottest lines as text, and all of it for `pstats`.

    The files of a process are numbered, each end has its own.
    """
    _main[-1].disable()
    _ends.append(role)
    for name, profile in [*_threads, ("loop", _main.pop())]:
        write(folder / f"{role}-{os.getpid()}-{len(_ends)}-{name}", profile)
    _threads.clear()


def write(path: Path, profile: cProfile.Profile) -> None:
    """Write one profile, unless it is empty."""
    text = io.StringIO()
    profile.snapshot_stats()  # not `create_stats`: it may still be on
    if not profile.stats:
        return
    profile.create_stats = lambda: None  # type: ignore[method-assign]
    stats = pstats.Stats(profile, stream=text)
    stats.sort_stats("tottime").print_stats(LINES)
    stats.sort_stats("cumtime").print_stats(LINES)
    stats.dump_stats(path.with_suffix(".pstats"))
    draft = path.with_suffix(".draft")
    draft.write_text(text.getvalue())
    draft.replace(path.with_suffix(".txt"))


def _by_signal(role: str) -> None:
    def toggle(*_: object) -> None:
        if _main:
            end(Path(__file__).parent, role)
        else:
            begin()

    watch_threads()
    signal.signal(signal.SIGUSR1, toggle)


if __name__ == "sitecustomize":
    if "wflow.runtime" in sys.orig_argv:
        _by_signal("runtime")
    elif "wflow" in sys.orig_argv and {"dev", "runner"} & set(sys.orig_argv):
        _by_signal("runner")

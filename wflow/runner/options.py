"""What a person may choose for a dev session and for a runner."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wflow.errors import UsageError

PORT = 8787
"""Where `wflow dev` listens unless it is told."""
LOG_LEVELS = ("debug", "info", "warn", "error", "none")
"""From the talkative to the silent."""
PROCESSES: Final = 64
"""Runtime processes of one version at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DevOptions:
    """A dev session: where it listens, what it keeps where, and how much it says."""

    ip: str = "localhost"
    port: int = PORT
    """When it is taken, the next free one is; 0 takes any."""
    persist_to: Path | None = None
    """The folder of its state; None is `.wflow/state` in the project."""
    log_level: str = "info"
    vars: Mapping[str, str] = field(default_factory=dict)
    """Win over `[vars]` of the config file and over `.dev.vars`."""
    env_files: tuple[Path, ...] = ()
    """Files of secrets that are read instead of `.dev.vars` and `.env`, a later one winning."""
    interactive: bool | None = None
    """Whether hotkeys are offered; None when there is a terminal."""
    environment: str | None = None
    config: Path | None = None
    """The config file that was named; None when it was found. For reading both again after a change."""
    processes: int = 1
    """Runtime processes that share the instances and the requests."""
    schedules: bool = True
    """Whether crons and schedules fire by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """A runner: what it keeps where, where it listens, and how much it says."""

    data_dir: Path
    ip: str = "127.0.0.1"
    port: int = 8788
    log_level: str = "info"
    store: str | None = None
    """The URL of its store; None is SQLite in ``data_dir``."""
    processes: int = 1
    """Runtime processes of a version at the most."""


def processes(text: str) -> int:
    """Read how many processes are wanted: a number, or `auto` for one a core. Raises UsageError."""
    if text == "auto":
        return min(cores(), PROCESSES)
    number = int(text) if text.isascii() and text.isdecimal() and len(text) <= len(str(PROCESSES)) else 0
    if not 1 <= number <= PROCESSES:
        raise UsageError(
            f"`--processes {text}` is not 1 to {PROCESSES}",
            hint="say how many processes may run a version's code, or `auto` for one a core",
        )
    return number


def cores() -> int:
    """Count the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

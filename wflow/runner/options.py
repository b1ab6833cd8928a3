"""What a person may choose for a dev session and for a runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PORT = 8787
"""Where `wflow dev` listens unless it is told."""
LOG_LEVELS = ("debug", "info", "warn", "error", "none")
"""From the talkative to the silent."""


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
    interactive: bool | None = None
    """Whether hotkeys are offered; None when there is a terminal."""
    environment: str | None = None
    config: Path | None = None
    """The config file that was named; None when it was found. For reading both again after a change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeOptions:
    """A runner: what it keeps where, where it listens, and how much it says."""

    data_dir: Path
    ip: str = "127.0.0.1"
    port: int = 8788
    log_level: str = "info"
    store: str | None = None
    """The URL of its store; None is SQLite in ``data_dir``."""

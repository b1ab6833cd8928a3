"""A runtime's process: this Python, with nothing of the runner's environment that it does not need."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    import socket
    from pathlib import Path

INHERITED: Final = (
    "HOME",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "PATH",
    "PYTHONPATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
    "VIRTUAL_ENV",
)
"""All that a runtime gets of the runner's environment; tokens and secrets of the machine are not in it."""


class Process(Protocol):
    """What a runtime runs in, once it is started: a process, or in tests a task of this one."""

    @property
    def pid(self) -> int:
        """The number of the process."""
        ...

    def kill(self) -> None:
        """End it now, without a goodbye."""
        ...


Spawn = Callable[["socket.socket", "Path", int, Callable[[], None]], Process]
"""Starts a runtime at its end of the link, working in a folder, with a hash seed; `over` hears of its end."""


def spawn(theirs: socket.socket, folder: Path, hash_seed: int, over: Callable[[], None]) -> Process:
    """Start a process; ``over`` is called on the running loop when it has ended. Raises OSError."""
    environment = {name: os.environ[name] for name in INHERITED if name in os.environ}
    environment["PYTHONHASHSEED"] = str(hash_seed)
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "wflow.runtime", str(theirs.fileno())],
        cwd=folder,
        env=environment,
        pass_fds=[theirs.fileno()],
        stdin=subprocess.DEVNULL,
        # What C code or a child of the user's code writes past sys.stdout is talk, not data.
        stdout=2,
        # The terminal's Ctrl-C is for the runner; it ends its runtimes in order.
        start_new_session=True,
    )
    loop = asyncio.get_running_loop()

    def bury() -> None:
        process.wait()
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody cares any more
            loop.call_soon_threadsafe(over)

    threading.Thread(target=bury, name="wflow-runtime", daemon=True).start()
    return process

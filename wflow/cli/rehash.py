"""Beginning again as a process whose text has the hashes that a journal was written with.

A loop over a set takes the order of the hashes, and Python draws those as it starts. What was read already
is handed over in a file without a name.
"""

from __future__ import annotations

import os
import sys
import tempfile
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE: Final = "PYTHONHASHSEED"
_HANDED: Final = "_WFLOW_REPLAY_HANDED"


def taken_over() -> bytes | None:
    """Give what the process before this one has handed over, once; None when there was none."""
    given = os.environ.pop(_HANDED, "")
    if not given.isdecimal():
        return None
    with os.fdopen(int(given), "rb") as file:
        file.seek(0)
        return file.read()


def has(seed: int, environment: Mapping[str, str] = os.environ) -> bool:
    """Tell whether this process began with the hash seed."""
    return environment.get(VARIABLE) == str(seed)


def begin_again(seed: int, hand: bytes) -> None:
    """Run the same command line anew with the hash seed, and ``hand`` to `taken_over`. It does not return."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it is for the process after this one
    file.write(hand)
    file.flush()
    os.set_inheritable(file.fileno(), True)
    sys.stdout.flush()
    sys.stderr.flush()
    environment = {**os.environ, VARIABLE: str(seed), _HANDED: str(file.fileno())}
    os.execve(sys.executable, [sys.executable, "-P", "-m", "wflow", *sys.argv[1:]], environment)  # noqa: S606

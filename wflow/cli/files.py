"""Files that commands write: whole or not at all, and never over a file by halves."""

from __future__ import annotations

import contextlib
import os
import tempfile
from typing import TYPE_CHECKING

from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


def write(to: Path, pieces: Iterable[bytes]) -> int:
    """Write pieces to a file that only its owner may read; it is there when all of it is. Gives its size.

    Raises UsageError when it cannot be written, and whatever the pieces raise; then nothing is there.
    """
    size = 0
    try:
        handle, made = tempfile.mkstemp(prefix=f".{to.name}.", dir=to.parent)
    except OSError as error:
        raise UsageError(f"cannot write `{to}`: {error.strerror}") from error
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                size += file.write(piece)
        os.replace(made, to)  # noqa: PTH105 - both are names already
    except OSError as error:
        raise UsageError(f"cannot write `{to}`: {error.strerror}") from error
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(made)  # noqa: PTH108
    return size

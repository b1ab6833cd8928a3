"""httpx without its own command line: rich, click and pygments take longer to import than all else."""

from __future__ import annotations

import sys

_ITS_COMMANDS = "httpx._main"

# Importing it fails, as it does where those are not installed; httpx knows how to go on.
sys.modules.setdefault(_ITS_COMMANDS, None)  # type: ignore[arg-type]
import httpx  # noqa: E402

if sys.modules[_ITS_COMMANDS] is None:
    del sys.modules[_ITS_COMMANDS]

__all__ = ["httpx"]

"""The only place that asks the system for the time."""

from __future__ import annotations

import time


def now() -> int:
    """Tell the time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000

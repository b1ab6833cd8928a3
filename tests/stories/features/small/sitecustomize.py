"""Limits that a test can reach: Python imports a module of this name by itself, in each process."""

from __future__ import annotations

import sys

from wflow.engine import names

names.RUNNING = 6  # type: ignore[misc]
names.QUEUED = 6  # type: ignore[misc]
names.STATE_BYTES = 3 * names.MIB  # type: ignore[misc]

if "wflow.runtime" not in sys.orig_argv:
    from wflow.runner import runner

    runner.RETIRE_S = 0.1  # type: ignore[misc]

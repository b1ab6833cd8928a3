"""A runner that waits less long: Python imports a module of this name by itself, in each process."""

from __future__ import annotations

import sys

if "start" in sys.orig_argv:
    from wflow.runner import migrations, rehearsals

    migrations.WAIT_S = 1.0  # type: ignore[misc]
    rehearsals.EACH_S = 3.0  # type: ignore[misc]

"""Resume an instance that is paused; its timers go on where they were."""

from __future__ import annotations

from wflow.cli.steering import RESUMED, steer

EXAMPLES = """
wflow workflows instances resume my-workflow order-1
"""

command = steer("resume", done=RESUMED)

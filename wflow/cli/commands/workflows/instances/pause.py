"""Pause an instance: what runs of it comes to its end, nothing new begins."""

from __future__ import annotations

from wflow.cli.steering import PAUSED, steer

EXAMPLES = """
wflow workflows instances pause my-workflow order-1
wflow workflows instances pause my-workflow latest --local
"""

command = steer("pause", done=PAUSED)

"""Ask an instance to end: its code gets a CancelledError, and may clean up."""

from __future__ import annotations

from wflow.cli.steering import steer

EXAMPLES = """
wflow workflows instances cancel my-workflow order-1
"""

command = steer("cancel", done="asked to cancel")

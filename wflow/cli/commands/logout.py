"""Forget the runner you are logged in to."""

from __future__ import annotations

from wflow.cli import credentials, output

EXAMPLES = """
wflow logout
"""


def command() -> None:
    removed = credentials.remove()
    output.say(f"Logged out; removed {removed}." if removed else "You were not logged in.")

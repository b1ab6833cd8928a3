"""Add a Worker as the consumer of a queue."""

from __future__ import annotations

from wflow.cli.commands.queues.consumer import add

EXAMPLES = """
wflow queues consumer worker add jobs my-worker
"""

command = add.command

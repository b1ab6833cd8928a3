"""Remove a Worker as the consumer of a queue."""

from __future__ import annotations

from wflow.cli.commands.queues.consumer import remove

EXAMPLES = """
wflow queues consumer worker remove jobs my-worker
"""

command = remove.command

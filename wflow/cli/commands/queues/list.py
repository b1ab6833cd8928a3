"""List the queues of a runner."""

from __future__ import annotations

from wflow.cli import output, remote, when
from wflow.cli.flags import Json, Local, LocalPort, Page

EXAMPLES = """
wflow queues list
wflow queues list --local
"""


def command(*, page: Page = 1, local: Local = False, port: LocalPort = None, json: Json = False) -> None:
    with remote.connect(local=local, port=port) as api:
        found = api.queues.list(page=page)
    if json:
        output.payload(found)
    elif found:
        output.table(
            ("id", "name", "created_on", "modified_on", "producers", "consumers"),
            [
                (
                    each["queue_id"],
                    each["queue_name"],
                    when.local(each["created_on"]),
                    when.local(each["modified_on"]),
                    str(each["producers_total_count"]),
                    str(each["consumers_total_count"]),
                )
                for each in found
            ],
        )
    else:
        output.say("There are no queues yet. `wflow queues create NAME` makes one.")

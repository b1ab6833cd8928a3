"""List the instances of a workflow, the newest first."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from wflow.cli import output, remote, when
from wflow.cli.flags import Json, Local, LocalPort, Page, PerPage, Workflow

EXAMPLES = """
wflow workflows instances list my-workflow
wflow workflows instances list my-workflow --status errored --per-page 100
wflow workflows instances list my-workflow --local --json
"""

Status = Literal[
    "queued", "running", "waiting", "waitingForPause", "paused", "errored", "terminated", "complete"
]

_VERSION_CHARS = 8
"""Enough to tell versions apart; `--json` has all of it."""


def command(
    name: Workflow,
    *,
    status: Annotated[Status | None, typer.Option("--status", help="Only those in this status.")] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="The oldest first.")] = False,
    page: Page = 1,
    per_page: PerPage = 25,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    with remote.connect(local=local, port=port) as api:
        listed = api.instances.list(
            name, status=status, direction="asc" if reverse else "desc", page=page, per_page=per_page
        )
    if json:
        output.payload(listed.items)
    elif listed.items:
        output.table(
            ("Instance ID", "Version", "Created", "Modified", "Status"),
            [
                (
                    each["id"],
                    each["version_id"][:_VERSION_CHARS],
                    when.local(each["created_on"]),
                    when.local(each["modified_on"]),
                    each["status"],
                )
                for each in listed.items
            ],
        )
        output.say_page(page, len(listed.items), listed.info)
    elif page > 1:
        output.say(f"No instances found on page {page}. Please try a smaller page number.")
    else:
        where = remote.flags(local=local, port=port)
        of = f" that are {status}" if status else ""
        output.say(
            f'There are no instances{of} in workflow "{name}". '
            f'You can trigger one with "wflow workflows trigger {name}{where}"'
        )

"""List the instances of a workflow, the newest first."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from wflow.cli import output, remote, when
from wflow.cli.flags import Json, Local, LocalPort, Page, PerPage, Workflow

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

EXAMPLES = """
wflow workflows instances list my-workflow
wflow workflows instances list my-workflow --status errored --per-page 100
wflow workflows instances list my-workflow --tag vip --date-start 2h
wflow workflows instances list my-workflow --local --json
"""

Status = Literal[
    "queued",
    "running",
    "waiting",
    "waitingForPause",
    "paused",
    "rollingBack",
    "errored",
    "terminated",
    "complete",
]
OnlyIn = Annotated[Status | None, typer.Option("--status", help="Only those in this status.")]
Tag = Annotated[str | None, typer.Option("--tag", metavar="TAG", help="Only those that have this tag.")]
DateStart = Annotated[
    str | None,
    typer.Option("--date-start", metavar="TIME", help="Only those from 10m, 2h, 1d ago on, or an ISO time."),
]
DateEnd = Annotated[
    str | None,
    typer.Option("--date-end", metavar="TIME", help="Only those up to 10m, 2h, 1d ago, or an ISO time."),
]
Reverse = Annotated[bool, typer.Option("--reverse", help="The oldest first.")]

_ADMITTED = {"priority": "Priority", "concurrency_key": "Key"}
"""What only some instances have, and a column where one in the list does."""
_VERSION_CHARS = 8
"""Enough to tell versions apart; `--json` has all of it."""


def command(
    name: Workflow,
    *,
    status: OnlyIn = None,
    tag: Tag = None,
    date_start: DateStart = None,
    date_end: DateEnd = None,
    reverse: Reverse = False,
    page: Page = 1,
    per_page: PerPage = 25,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    now = datetime.now(UTC)
    with remote.connect(local=local, port=port) as api:
        listed = api.instances.list(
            name,
            status=status,
            tag=tag,
            date_start=when.since(date_start, now).isoformat() if date_start else None,
            date_end=when.since(date_end, now).isoformat() if date_end else None,
            direction="asc" if reverse else "desc",
            page=page,
            per_page=per_page,
        )
    if json:
        output.payload(listed.items)
    elif listed.items:
        more = {key: label for key, label in _ADMITTED.items() if any(key in each for each in listed.items)}
        heads = ("Instance ID", "Version", "Created", "Modified", "Status", *more.values())
        output.table(heads, [(*_row(each), *_told(each, more)) for each in listed.items])
        output.say_page(page, len(listed.items), listed.info)
    elif page > 1:
        output.say(f"No instances found on page {page}. Please try a smaller page number.")
    elif status or tag or date_start or date_end:
        output.say(f'No instances in workflow "{name}" matched the provided filters.')
    else:
        where = remote.flags(local=local, port=port)
        output.say(
            f'There are no instances in workflow "{name}". '
            f'You can trigger one with "wflow workflows trigger {name}{where}"'
        )


def _row(one: Mapping[str, Any]) -> tuple[str, ...]:
    created, modified = when.local(one["created_on"]), when.local(one["modified_on"])
    version, number = one["version_id"][:_VERSION_CHARS], one.get("version_number")
    told = version if number is None else f"{number} ({version})"
    return one["id"], told, created, modified, one["status"]


def _told(one: Mapping[str, Any], keys: Iterable[str]) -> tuple[str, ...]:
    return tuple(str(one.get(key, "")) for key in keys)

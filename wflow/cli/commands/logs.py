"""Print what was logged, or follow what is being logged."""

from __future__ import annotations

import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from wflow.cli import line, output, remote, when
from wflow.cli.flags import Local, LocalPort
from wflow.errors import RunnerError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wflow.client.logs import Line, Logs, Wanted

EXAMPLES = """
wflow logs --tail
wflow logs --tail --workflow my-workflow --level warn --local
wflow logs --since 10m --instance order-1 --search timeout
wflow logs --since 1d --format json > yesterday.ndjson
"""

Level = Literal["debug", "info", "warn", "error"]
Format = Literal["pretty", "json"]

_LAST: Final = 100
_PAGE: Final = 1_000
"""Lines that the API gives at once."""


def command(
    *,
    tail: Annotated[bool, typer.Option("--tail", help="Go on with new lines until Ctrl-C.")] = False,
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="NAME", help="Only of this workflow.")
    ] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="ID", help="Only of this instance.")
    ] = None,
    step: Annotated[
        str | None,
        typer.Option("--step", metavar="NAME", help="Only of this step, or of one visit: charge-2."),
    ] = None,
    level: Annotated[Level, typer.Option("--level", help="Only this level and above.")] = "info",
    since: Annotated[
        str | None,
        typer.Option("--since", metavar="TIME", help="From 30s, 10m, 2h, 1d ago on, or an ISO time."),
    ] = None,
    search: Annotated[
        str | None, typer.Option("--search", metavar="TEXT", help="Only lines that contain this.")
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit",
            min=1,
            metavar="N",
            help="How many of the stored lines.",
            show_default="the last 100; with --since all",
        ),
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option("--format", help="How to print.", show_default="pretty on a terminal, else json"),
    ] = None,
    local: Local = False,
    port: LocalPort = None,
) -> None:
    from wflow.client.logs import Wanted

    show = line.show if (format or ("pretty" if sys.stdout.isatty() else "json")) == "pretty" else output.line
    begin = when.since(since, datetime.now(UTC)).isoformat() if since else None
    wanted = Wanted(workflow=workflow, instance=instance, step=step, level=level, search=search)
    with remote.connect(local=local, port=port) as api:
        if tail:
            output.say("Waiting for logs; Ctrl-C ends.")
            with suppress(KeyboardInterrupt):
                for found in api.logs.follow(wanted, since=begin, on_wait=_say_why):
                    show(found)
        else:
            for found in _stored(api.logs, wanted, begin, limit):
                show(found)


def _stored(logs: Logs, wanted: Wanted, since: str | None, limit: int | None) -> Iterator[Line]:
    """Read the last lines; or with ``since`` all from there on, page by page."""
    if since is None:
        if limit is not None and limit > _PAGE:
            raise UsageError(f"the last {_PAGE:,} lines at the most", hint="with `--since` there is no limit")
        yield from logs.read(wanted, limit=limit or _LAST).lines
        return
    left = sys.maxsize if limit is None else limit
    page = logs.read(wanted, since=since, limit=min(left, _PAGE))
    yield from page.lines
    while page.more and (left := left - len(page.lines)) > 0:
        page = logs.read(wanted, cursor=page.cursor, limit=min(left, _PAGE))
        yield from page.lines


def _say_why(error: RunnerError, wait_s: float) -> None:
    output.say(f"{error.message}; trying again in {wait_s:g} s")

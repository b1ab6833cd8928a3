"""Follow an instance to its end: the events that were, then new ones as they happen.

The exit code is 0 when it is complete, and 1 when it errored, was terminated, or deleted.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from wflow.cli import happening, output, remote
from wflow.cli.flags import Instance, Local, LocalPort, Workflow

if TYPE_CHECKING:
    from wflow.errors import RunnerError

EXAMPLES = """
wflow workflows instances watch my-workflow order-1
wflow workflows instances watch my-workflow latest --local --filter step --filter workflow_errored
wflow workflows instances watch my-workflow order-1 --format json > events.ndjson
"""

Format = Literal["pretty", "json"]


def command(
    name: Workflow,
    id: Instance,
    *,
    filter: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="TYPE",
            help="Only events of this type, or of a group: workflow, step, attempt, sleep, wait, rollback. "
            "May be given again.",
        ),
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option("--format", help="How to print.", show_default="pretty on a terminal, else json"),
    ] = None,
    local: Local = False,
    port: LocalPort = None,
) -> None:
    pretty = (format or ("pretty" if sys.stdout.isatty() else "json")) == "pretty"
    show = happening.show if pretty else output.line
    with remote.connect(local=local, port=port) as api:
        followed = api.happenings.follow(name, id, filter=filter or (), on_wait=_say_why)
        for event in followed:
            show(event)
    output.say(f'The instance "{output.printable(followed.id)}" of {name} is {followed.ended}.')
    if followed.ended != "complete":
        raise typer.Exit(1)


def _say_why(error: RunnerError, wait_s: float) -> None:
    output.say(f"{error.message}; trying again in {wait_s:g} s")

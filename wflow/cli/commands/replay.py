"""Run a recorded history against the code at hand: all at once, or step by step, forward and back."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli.flags import Config, Environment, Json, Local, LocalPort
from wflow.errors import UsageError

EXAMPLES = """
wflow replay order-1 --local
wflow replay latest --workflow my-workflow --step
wflow replay order-1.json --json     # a file that `instances export` wrote; ends with 1 at a difference
"""


def command(
    source: Annotated[
        str, typer.Argument(metavar="ID|FILE", help="An instance's id, `latest`, or an exported file.")
    ],
    *,
    step: Annotated[
        bool, typer.Option("--step", help="Stop before each outcome, and take commands.")
    ] = False,
    workflow: Annotated[
        str | None, typer.Option("--workflow", metavar="NAME", help="Its workflow, if several may be meant.")
    ] = None,
    with_sensitive: Annotated[
        bool, typer.Option("--with-sensitive", help="Show what sensitive steps gave.")
    ] = False,
    environment: Environment = None,
    config: Config = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    from wflow.cli import rehash, replayed
    from wflow.config import load
    from wflow.wire import history

    if step and json:
        raise UsageError("`--step` is for a person, `--json` for a program", hint="say one of them")
    project = load.load(path=config, environment=environment)
    raw = rehash.taken_over()
    if raw is None:
        raw = replayed.find(source, project, workflow, local=local, port=port)
        recorded = history.read(raw)
        if not rehash.has(recorded.hash_seed):
            rehash.begin_again(recorded.hash_seed, raw)
    else:
        recorded = history.read(raw)
    replay = replayed.Replayed(recorded, project, workflow=workflow, with_sensitive=with_sensitive)
    fits = replay.step() if step else replay.show(json=json)
    if not fits:
        raise typer.Exit(1)

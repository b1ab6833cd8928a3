"""Write an instance's history to a file that `wflow replay` runs anywhere, and tests take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wflow.cli import output, remote
from wflow.cli.flags import Instance, Local, LocalPort, Workflow

EXAMPLES = """
wflow workflows instances export my-workflow order-1 --output order-1.json
wflow workflows instances export my-workflow latest --local --redact > latest.json
wflow workflows instances export my-workflow order-1 --redact-key email --redact-key card
"""


def command(
    name: Workflow,
    id: Instance,
    *,
    to: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; else it is printed.")
    ] = None,
    redact: Annotated[bool, typer.Option("--redact", help="Replace all texts and numbers.")] = False,
    redact_key: Annotated[
        list[str] | None,
        typer.Option("--redact-key", metavar="KEY", help="Replace what stands under a key; repeatable."),
    ] = None,
    with_sensitive: Annotated[
        bool, typer.Option("--with-sensitive", help="Leave in what sensitive steps gave.")
    ] = False,
    local: Local = False,
    port: LocalPort = None,
) -> None:
    from wflow.cli import files

    with (
        remote.connect(local=local, port=port) as api,
        api.histories.export(
            name, id, redact=redact, redact_keys=redact_key or (), with_sensitive=with_sensitive
        ) as pieces,
    ):
        if to is None:
            output.raw(pieces)
            return
        size = files.write(to, pieces)
    output.say(f"Wrote {size:,} bytes to {to}; `wflow replay {to}` runs it against the code at hand.")

"""Start a runner: the server that deployed workflows live on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wflow.cli.flags import LogLevel, Processes

EXAMPLES = """
wflow runner start --data-dir ./runner
wflow runner start --data-dir /var/lib/wflow --ip 0.0.0.0 --port 8788 --processes auto
"""


def command(
    *,
    data_dir: Annotated[
        Path,
        typer.Option("--data-dir", metavar="FOLDER", help="Keep everything here; made if it is missing."),
    ] = Path("runner"),
    port: Annotated[
        int,
        typer.Option("--port", min=0, max=65_535, metavar="PORT", help="Listen here; 0 takes any free port."),
    ] = 8788,
    ip: Annotated[str, typer.Option("--ip", metavar="ADDRESS", help="Listen on this address.")] = "127.0.0.1",
    log_level: Annotated[LogLevel, typer.Option("--log-level", help="How much to print.")] = "info",
    processes: Processes = "1",
) -> None:
    from wflow.runner import options, serve

    serve.run(
        options.ServeOptions(
            data_dir=data_dir.resolve(),
            ip=ip,
            port=port,
            log_level=log_level,
            processes=options.processes(processes),
        )
    )

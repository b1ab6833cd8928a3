"""Run this project here, and take up every file you save."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from wflow.cli.flags import Config, Environment, LogLevel, Processes
from wflow.errors import UsageError

EXAMPLES = """
wflow dev
wflow dev --port 9000 --var GREETING:hello
wflow dev -e staging --persist-to /tmp/state
wflow dev --processes auto
wflow dev --no-schedules
curl -X POST http://localhost:8787/
"""


Port = Annotated[
    int | None,
    typer.Option(
        "--port",
        min=0,
        max=65_535,
        metavar="PORT",
        help="Listen here, or on the next free port.",
        show_default="8787, or `[dev] port`",
    ),
]
Ip = Annotated[
    str | None,
    typer.Option(
        "--ip", metavar="ADDRESS", help="Listen on this address.", show_default="localhost, or `[dev] ip`"
    ),
]
PersistTo = Annotated[
    Path | None,
    typer.Option(
        "--persist-to", metavar="FOLDER", help="Keep the session's state here.", show_default=".wflow/state"
    ),
]
Variables = Annotated[
    list[str] | None,
    typer.Option("--var", metavar="KEY:VALUE", help="Set a variable of `env`; may be repeated."),
]
EnvFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--env-file",
        metavar="FILE",
        help="Read secrets here instead of `.dev.vars` and `.env`; may be repeated, a later one wins.",
    ),
]
Interactive = Annotated[
    bool | None,
    typer.Option(
        "--show-interactive-dev-session/--no-show-interactive-dev-session",
        help="Offer hotkeys; without a terminal there are none.",
    ),
]
Schedules = Annotated[
    bool,
    typer.Option("--schedules/--no-schedules", help="Fire crons and schedules when their time comes."),
]


def command(
    *,
    port: Port = None,
    ip: Ip = None,
    persist_to: PersistTo = None,
    log_level: Annotated[LogLevel, typer.Option("--log-level", help="How much to print.")] = "info",
    var: Variables = None,
    env_file: EnvFiles = None,
    interactive: Interactive = None,
    processes: Processes = "1",
    schedules: Schedules = True,
    environment: Environment = None,
    config: Config = None,
) -> None:
    from wflow.config import load
    from wflow.runner import dev, options

    variables = dict(_split(each) for each in var or ())
    many = options.processes(processes)
    project = load.load(path=config, environment=environment)
    dev.run(
        project,
        options.DevOptions(
            ip=project.dev.ip if ip is None else ip,
            port=project.dev.port if port is None else port,
            persist_to=persist_to.absolute() if persist_to else None,
            log_level=log_level,
            vars=variables,
            env_files=tuple(each.absolute() for each in env_file or ()),
            interactive=interactive,
            environment=environment,
            config=config.absolute() if config else None,
            processes=many,
            schedules=schedules,
        ),
    )


def _split(variable: str) -> tuple[str, str]:
    """Part a variable at its first colon, as wrangler does; the value may have more of them."""
    key, colon, value = variable.partition(":")
    if not colon or not key.isidentifier():
        raise UsageError(
            f"`--var {variable}` is no variable",
            hint="give a name, a colon and the value: --var GREETING:hello",
        )
    return key, value

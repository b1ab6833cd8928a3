"""The arguments and flags that several commands take, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

LogLevel = Literal["debug", "info", "warn", "error", "none"]

Json = Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing, take the defaults.")]

Processes = Annotated[
    str,
    typer.Option(
        "--processes",
        metavar="N",
        help="How many processes may run a version's code: 1 to 64, or `auto` for one a core.",
    ),
]
Environment = Annotated[
    str | None,
    typer.Option(
        "--env",
        "-e",
        metavar="NAME",
        envvar="CLOUDFLARE_ENV",
        show_envvar=False,
        help="The environment, an `[env.NAME]`; else what CLOUDFLARE_ENV says.",
    ),
]
Config = Annotated[
    Path | None, typer.Option("--config", "-c", metavar="FILE", help="The config file, if not the nearest.")
]

Local = Annotated[bool, typer.Option("--local", help="Ask the dev session instead of the runner.")]
LocalPort = Annotated[
    int | None,
    typer.Option(
        "--port",
        min=1,
        max=65_535,
        metavar="PORT",
        help="With --local: where the dev session listens.",
        show_default="8787",
    ),
]

Page = Annotated[int, typer.Option("--page", min=1, metavar="N", help="Which page.")]
PerPage = Annotated[int, typer.Option("--per-page", min=1, max=100, metavar="N", help="How many on a page.")]

Url = Annotated[
    str | None, typer.Option("--url", metavar="URL", help="The runner, instead of the one logged in to.")
]
Token = Annotated[str | None, typer.Option("--token", metavar="TOKEN", help="The token for --url.")]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        metavar="FOLDER",
        help="The folder of a runner that is not running, instead of asking one.",
    ),
]

Workflow = Annotated[str, typer.Argument(metavar="NAME", help="The workflow's name.")]
Instance = Annotated[str, typer.Argument(metavar="ID", help="The instance's id, or `latest`.")]

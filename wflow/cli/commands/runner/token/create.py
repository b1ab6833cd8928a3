"""Make a token; it is printed once and can never be read again."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from wflow.cli import output, remote
from wflow.cli.flags import DataDir, Json, Token, Url

EXAMPLES = """
wflow runner token create ci
wflow runner token create grafana --scope read
wflow runner token create me --scope admin --data-dir ./runner > token.txt
"""


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call it.")],
    *,
    scope: Annotated[
        Literal["read", "deploy", "admin"],
        typer.Option("--scope", help="What it may do; each includes the ones before it."),
    ] = "deploy",
    url: Url = None,
    token: Token = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    with remote.connect_as_admin(url=url, token=token, data_dir=data_dir) as api:
        created = api.tokens.create(name, scope)
    if json:
        output.payload(created)
        return
    output.say(f"Token `{name}` ({scope}); keep it, it is not shown again:")
    output.data(created["token"])

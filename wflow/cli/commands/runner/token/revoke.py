"""Revoke a token: from now on the runner does not know it."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import output, remote
from wflow.cli.flags import DataDir, Token, Url

EXAMPLES = """
wflow runner token revoke ci
"""


def command(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The token's name or id.")],
    *,
    url: Url = None,
    token: Token = None,
    data_dir: DataDir = None,
) -> None:
    with remote.connect_as_admin(url=url, token=token, data_dir=data_dir) as api:
        api.tokens.revoke(name)
    output.say(f"Token `{name}` is revoked.")

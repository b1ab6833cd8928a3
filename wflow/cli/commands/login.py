"""Log in to a runner: check a token and keep it for the other commands."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from wflow.cli import credentials, output, remote
from wflow.errors import UsageError

EXAMPLES = """
wflow login --url http://127.0.0.1:8788
wflow login --url https://runner.example.com < token.txt
"""


def command(
    *,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Where the runner listens.")] = None,
    token: Annotated[
        str | None,
        typer.Option(
            "--token",
            metavar="TOKEN",
            help="The token; others on this machine can see it. Without, it is asked for or read from stdin.",
        ),
    ] = None,
) -> None:
    address = remote.address_of(url or _ask_url())
    secret = token or _ask_token()
    login = remote.login(url=address, token=secret)
    with remote.connect_as(login) as api:
        known = api.verify()
    file = credentials.write(credentials.Credentials(url=address, token=secret))
    output.say(f"Logged in to {address} as `{known['name']}` ({known['scope']}); kept in {file}.")
    if address.startswith("http://") and not _is_loopback(address):
        output.warn("the token travels unencrypted; put the runner behind https")
    if os.environ.get(remote.URL):
        output.warn(f"{remote.URL} is set; the other commands obey it, not this login")


def _ask_url() -> str:
    if not sys.stdin.isatty():
        raise UsageError("which runner?", hint="name it: `wflow login --url http://127.0.0.1:8788`")
    answer: str = typer.prompt("Where does the runner listen?", default="http://127.0.0.1:8788", err=True)
    return answer


def _ask_token() -> str:
    """Ask without showing what is typed, or take one line of what is piped in."""
    if sys.stdin.isatty():
        typed: str = typer.prompt("Token", hide_input=True, err=True)
        return typed.strip()
    piped = sys.stdin.readline(1_000).strip()
    if not piped:
        raise UsageError("no token on stdin", hint="pipe it in, or name it with `--token`")
    return piped


def _is_loopback(url: str) -> bool:
    from ipaddress import ip_address
    from urllib.parse import urlsplit

    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")

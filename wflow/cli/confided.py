"""Secrets as a person gives them: typed unseen, piped in, or in a file; no error ever shows one."""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from wflow.cli import output
from wflow.errors import UsageError

if TYPE_CHECKING:
    from wflow.client.api import Api

SecretsFile = Annotated[
    Path | None,
    typer.Option(
        "--secrets-file",
        metavar="FILE",
        help="Set these secrets first: JSON, or lines of KEY=value; others stay as they are.",
    ),
]

INPUT_BYTES: Final = 16 * 1024 * 1024
"""More than a hundred secrets, however long."""


def typed(name: str) -> str:
    """Ask for a secret without showing it, or read all of stdin where nobody types."""
    if sys.stdin.isatty():
        import getpass

        text = getpass.getpass("Enter a secret value: ")
    else:
        text = _piped()
    text = text.rstrip()
    if not text:
        raise UsageError(
            f"the secret {name} is empty", hint=f"type it, or pipe it in: wflow secret put {name} < FILE"
        )
    return text


def several(path: Path | None) -> dict[str, str | None]:
    """Read secrets by name from a file, or from stdin: JSON, in which null deletes, or `.env` lines."""
    if path is None:
        source, name = _piped(), "stdin"
    else:
        from wflow.config.load import text

        source, name = text(path), path.name
    found = _object(source, name) if source.lstrip().startswith("{") else _lines(source, name)
    if not found:
        raise UsageError(f"{name} has no secrets", hint='it is JSON, {"KEY": "value"}, or lines of KEY=value')
    return found


def upload(api: Api, worker: str, path: Path) -> None:
    """Set the secrets of a file, a hundred in a request."""
    from wflow.client.secrets import AT_ONCE

    rest = iter(several(path).items())
    while page := dict(itertools.islice(rest, AT_ONCE)):
        api.secrets.change(worker, page)
        output.say(f"Set {output.count(len(page), 'secret')} of the Worker {worker}.")


def _object(source: str, name: str) -> dict[str, str | None]:
    try:
        found = json.loads(source)
    except (ValueError, RecursionError) as wrong:
        where = f" at line {wrong.lineno}" if isinstance(wrong, json.JSONDecodeError) else ""
        raise UsageError(f"{name} is no JSON{where}") from None
    for key, value in found.items():
        if value is not None and not isinstance(value, str):
            raise UsageError(
                f"the secret {key} in {name} is no text", hint="write it in quotes, or null to delete it"
            )
    return dict(found)


def _lines(source: str, name: str) -> dict[str, str | None]:
    from wflow.config.secrets import parse

    return {**parse(source, name)}


def _piped() -> str:
    raw = sys.stdin.buffer.read(INPUT_BYTES + 1)
    if len(raw) > INPUT_BYTES:
        raise UsageError(f"stdin has more than {INPUT_BYTES:,} bytes")
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise UsageError("stdin is no UTF-8 text") from None

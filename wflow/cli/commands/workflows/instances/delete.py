"""Delete instances with all that is known of them, running or not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from wflow.cli import output, remote, values
from wflow.cli.flags import Json, Local, LocalPort, Workflow
from wflow.errors import RunnerError, UsageError

EXAMPLES = """
wflow workflows instances delete my-workflow order-1 order-2
wflow workflows instances delete my-workflow latest --local
wflow workflows instances delete my-workflow --filename ids.json
"""

_AT_ONCE = 100
"""Ids that the API takes together."""


def command(
    name: Workflow,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="The instances' ids, or `latest`.")
    ] = None,
    *,
    filename: Annotated[
        Path | None, typer.Option("--filename", metavar="FILE", help="A JSON file: an array of further ids.")
    ] = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    wanted = [*(ids or []), *(_read(filename) if filename else [])]
    if not wanted:
        raise UsageError("no instance is named", hint="name ids, or a file of them with `--filename`")
    done: dict[str, list[dict[str, Any]]] = {"deleted": [], "errors": []}
    with remote.connect(local=local, port=port) as api:
        if "latest" in wanted:
            latest = api.instances.get(name, "latest", simple=True)["id"]
            wanted = [latest if id_ == "latest" else id_ for id_ in wanted]
        for start in range(0, len(wanted), _AT_ONCE):
            answer = api.instances.delete_batch(name, wanted[start : start + _AT_ONCE])
            done["deleted"] += answer["deleted"]
            done["errors"] += answer["errors"]
    if json:
        output.payload(done)
    elif done["deleted"]:
        listed = ", ".join(f'"{each["id"]}"' for each in done["deleted"])
        output.data(f'Deleted workflow instances from "{name}": {listed}')
    if done["errors"]:
        listed = "\n".join(f"  - {each['id']}: {each['message']}" for each in done["errors"])
        raise RunnerError(f"{output.count(len(done['errors']), 'instance')} could not be deleted:\n{listed}")


def _read(file: Path) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read `{file}`: {error}") from error
    found = values.read(text, f"`{file}`")
    if not isinstance(found, list) or not all(isinstance(id_, str) for id_ in found):
        raise UsageError(f"`{file}` has no array of ids", hint='it looks like ["order-1", "order-2"]')
    return found

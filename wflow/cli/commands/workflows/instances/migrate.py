"""Put unfinished instances on another version, those whose journals fit it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wflow.cli import fitting, migrating, output, remote, versions
from wflow.cli.flags import Json, Local, LocalPort, Workflow
from wflow.errors import RunnerError, UsageError

if TYPE_CHECKING:
    from wflow.client.api import Api

EXAMPLES = """
wflow workflows instances migrate my-workflow order-1 order-2
wflow workflows instances migrate my-workflow --all --dry-run
wflow workflows instances migrate my-workflow --all --to 7
"""


def command(
    name: Workflow,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="ID", help="The instances' ids, or `latest`.")
    ] = None,
    *,
    everyone: Annotated[
        bool, typer.Option("--all", help="All that are unfinished and on another version.")
    ] = False,
    to: Annotated[
        str | None,
        typer.Option(
            "--to",
            metavar="VERSION",
            help="The version, by its id, the beginning of it, or its number, if not the current one.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only tell which of them fit, and why the others do not.")
    ] = False,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    if bool(ids) is everyone:
        raise UsageError("name the ids of instances, or say `--all`", hint="one or the other")
    told: list[dict[str, Any]] = []
    with remote.connect(local=local, port=port) as api:
        version = _meant(api, name, to) if to or everyone else None
        for id_ in dict.fromkeys(ids) if ids else migrating.unfinished(api, name, version):
            one = migrating.ask(api, name, id_, version, dry_run=dry_run)
            told.append(one)
            if not json:
                _show(one, dry_run=dry_run)
    if json:
        output.payload(told)
    elif not told:
        output.say(f"{name} has no unfinished instances on another version.")
    stayed = sum(not one["fits"] for one in told)
    if stayed:
        was = "was" if stayed == 1 else "were"
        what = "would not be migrated" if dry_run else f"{was} not migrated"
        raise RunnerError(f"{stayed:,} of {output.count(len(told), 'instance')} {what}")


def _meant(api: Api, name: str, to: str | None) -> str:
    """Find the id of the version that is named, or of the current one."""
    workflow = api.workflows.get(name)
    if to is None:
        return str(workflow["version_id"])
    return str(versions.pick(api.scripts.versions(workflow["script_name"]), to)["id"])


def _show(one: dict[str, Any], *, dry_run: bool) -> None:
    if not one["fits"]:
        for line in fitting.misfit(one):
            output.data(line)
        if hint := (one["error"] or {}).get("hint"):
            output.say(f"hint: {hint}")
    elif dry_run:
        output.data(f"{one['id']}: fits")
    elif one["migrated"]:
        output.data(f"{one['id']}: moved to version {one['version_id']}")
    else:
        output.data(f"{one['id']}: is on version {one['version_id']} already")

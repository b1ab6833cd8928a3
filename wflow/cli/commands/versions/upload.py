"""Bundle this project and keep it on a runner as a version that is not live."""

from __future__ import annotations

from time import perf_counter
from typing import Annotated, Any

import typer

from wflow.cli import confided, findings, output, packages, provision, remote, shipped, versions
from wflow.cli.flags import Config, Environment, Json
from wflow.cli.versions import VersionMessage, VersionTag

EXAMPLES = """
wflow versions upload --message "retry payments" --tag v1.4.0
wflow versions upload -e staging --json
wflow versions upload --dry-run
"""


def command(
    *,
    message: VersionMessage = "",
    tag: VersionTag = "",
    secrets_file: confided.SecretsFile = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything but the upload; needs no runner.")
    ] = False,
    vendor: packages.Vendor = False,
    environment: Environment = None,
    config: Config = None,
    json: Json = False,
) -> None:
    from wflow.bundle import lint
    from wflow.config import load

    project = load.load(path=config, environment=environment)
    for note in (*project.notes, *(findings.text(found) for found in lint.lint(project))):
        output.warn(note)
    project = shipped.built(project, "versions upload")
    if not dry_run:
        project = provision.provided(project)
    packed = packages.packed(project, vendor=vendor)
    worker, digest = packed.manifest.name, packed.manifest.digest
    if not json:
        shipped.show(packed)
    if dry_run:
        if json:
            output.payload({"dry_run": True, "name": worker, "digest": digest})
        else:
            output.data("--dry-run: exiting now.")
        return
    with remote.connect() as api:
        if secrets_file is not None:
            confided.upload(api, worker, secrets_file)
        packages.install(api, packed.manifest, quiet=json)
        begun = perf_counter()
        version = api.scripts.upload(worker, packed.data, digest=digest, message=message, tag=tag)
        if json:
            output.payload(version)
            return
        output.data(f"Uploaded {worker} ({perf_counter() - begun:.2f} sec)")
        output.data(f"Worker Version ID: {version['id']}")
        _tell_how(version["number"], next(iter(api.scripts.deployments(worker, per_page=1).items), None))


def _tell_how(number: int, live: dict[str, Any] | None) -> None:
    """Say how a version goes live, at once or little by little."""
    others = list(versions.shares(live))
    little = f", `wflow versions deploy {number}@10 {others[0][:8]}` for a tenth" if len(others) == 1 else ""
    output.say(f"It is not live; `wflow versions deploy {number}@100` makes it so{little}.")

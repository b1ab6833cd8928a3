"""Bundle this project and hand it to a runner."""

from __future__ import annotations

from http import HTTPStatus
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from wflow.cli import asking, confided, findings, gate, output, packages, provision, remote, shipped, versions
from wflow.cli.flags import Config, Environment, Json
from wflow.cli.versions import VersionMessage, VersionTag
from wflow.errors import RunnerError, UsageError

if TYPE_CHECKING:
    from wflow.bundle.manifest import Manifest
    from wflow.bundle.pack import Packed
    from wflow.client.api import Api
    from wflow.config.model import Project

EXAMPLES = """
wflow deploy
wflow deploy --message "retry payments" --tag v1.4.0 -e staging
wflow deploy --instances stop --sample all
wflow deploy --dry-run --outdir dist
wflow deploy --vendor
"""

Sample = Annotated[
    str,
    typer.Option("--sample", metavar="N|all", help="How many unfinished instances this version is tried on."),
]

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def command(
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Do everything but the upload; needs no runner.")
    ] = False,
    outdir: Annotated[
        Path | None,
        typer.Option("--outdir", metavar="FOLDER", help="Write the bundle and its manifest here."),
    ] = None,
    message: VersionMessage = "",
    tag: VersionTag = "",
    instances: Annotated[
        gate.Instances | None,
        typer.Option(
            "--instances",
            help="What becomes of unfinished instances: they stay on their versions, those that fit this one "
            "go on in it, or nothing goes live if one of them does not fit.",
            show_default="asked, or pin",
        ),
    ] = None,
    sample: Sample = str(gate.SAMPLE),
    vendor: packages.Vendor = False,
    secrets_file: confided.SecretsFile = None,
    environment: Environment = None,
    config: Config = None,
    json: Json = False,
) -> None:
    wanted = gate.sample(sample)
    project = shipped.built(_read(config, environment), "deploy")
    packed = packages.packed(project if dry_run else provision.provided(project), vendor=vendor)
    if outdir:
        _write(packed, outdir)
    if not json:
        shipped.show(packed)
    if dry_run:
        _stop(packed, json=json)
        return
    login = remote.login()
    with remote.connect_as(login) as api:
        _mind_split(api, packed.manifest.name, json=json)
        if secrets_file is not None:
            confided.upload(api, packed.manifest.name, secrets_file)
        version = _ship(api, packed, message, tag, json=json)
        fit = gate.look(api, packed.manifest.name, version["id"], wanted=wanted)
        choice = _pass(fit, instances, version, json=json) if fit.total else gate.PIN
        api.scripts.release(packed.manifest.name, {version["id"]: 100}, message=message, trigger="upload")
        if not json:
            alone = len(api.scripts.list()) == 1
            _tell(packed.manifest, _url(login.url, packed.manifest.name, alone=alone), version["id"])
        moved = gate.migrate(api, version["workflows"], version["id"]) if choice == gate.MIGRATE else None
    if json:
        output.payload({**version, **({"rehearsals": fit.plain()} if fit.total else {}), **(moved or {})})
    elif moved is not None:
        output.data(f"Migrated {output.count(moved['migrated'], 'instance')}; {moved['stayed']:,} stayed")
    elif fit.misfits < fit.tried:
        output.say("What is unfinished stays where it is; `wflow workflows instances migrate` moves it.")


def _read(config: Path | None, environment: str | None) -> Project:
    """Read the project, and say what the person should know of it."""
    from wflow.bundle import lint
    from wflow.config import load

    project = load.load(path=config, environment=environment)
    for note in (*project.notes, *(findings.text(found) for found in lint.lint(project))):
        output.warn(note)
    return project


def _mind_split(api: Api, worker: str, *, json: bool) -> None:
    """Tell who is about to end a gradual deployment, and ask whether that is meant."""
    try:
        live = next(iter(api.scripts.deployments(worker, per_page=1).items), None)
    except RunnerError as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return  # its first version
    if live is None or len(live["versions"]) == 1:
        return
    if not json:
        versions.show_live(live, {one["id"]: one for one in api.scripts.versions(worker)})
    output.warn("two versions share the traffic; this deploy ends that, its version gets all of it")
    if json:
        return
    output.say("`wflow versions upload` and `wflow versions deploy` go on little by little.")
    if not asking.confirmed("Deploy to 100% of the traffic?"):
        raise typer.Abort


def _ship(api: Api, packed: Packed, message: str, tag: str, *, json: bool) -> dict[str, Any]:
    """Upload the bundle as a version that is not live."""
    manifest = packed.manifest
    packages.install(api, manifest, quiet=json)
    begun = perf_counter()
    digest = manifest.digest
    version = api.scripts.upload(manifest.name, packed.data, digest=digest, message=message, tag=tag)
    if not json:
        output.data(f"Uploaded {manifest.name} ({perf_counter() - begun:.2f} sec)")
    return version


def _pass(fit: gate.Fit, given: gate.Instances | None, version: dict[str, Any], *, json: bool) -> str:
    """Show the verdict, and take the person's word on what becomes of the instances.

    Raises RunnerError when that is to stop.
    """
    if json:
        choice = given or gate.PIN
    else:
        gate.show(fit)
        choice = given or gate.choose()
    if choice != gate.STOP or (given and not fit.misfits):
        return choice
    if json:
        output.payload({**version, "live": False, "rehearsals": fit.plain()})
    id_ = version["id"]
    why = f": {output.count(fit.misfits, 'unfinished instance')} would not fit" if fit.misfits else ""
    raise RunnerError(
        f"version {id_} is uploaded and not live{why}",
        hint=f"`wflow versions deploy {id_}@100` makes it live as it is",
    )


def _tell(manifest: Manifest, url: str, version: str) -> None:
    output.data(f"Deployed {manifest.name} triggers")
    output.data(f"  {url}")
    for workflow in manifest.workflows:
        output.data(f"  workflow: {workflow.name}")
    output.data(f"Current Version ID: {version}")


def _url(runner: str, name: str, *, alone: bool) -> str:
    """Say where the Worker answers: by the first label of the host name, or on any name when it is alone."""
    parts = urlsplit(runner)
    host = parts.hostname or ""
    if alone:
        return runner
    port = f":{parts.port}" if parts.port else ""
    domain = "localhost" if host in _LOOPBACK else host
    return f"{parts.scheme}://{name.lower()}.{domain}{port}"


def _stop(packed: Packed, *, json: bool) -> None:
    if json:
        output.payload(
            {
                "dry_run": True,
                "name": packed.manifest.name,
                "digest": packed.manifest.digest,
                "size_bytes": packed.size_bytes,
                "gzip_bytes": len(packed.data),
                "files": dict(packed.files),
            }
        )
    else:
        output.data("--dry-run: exiting now.")


def _write(packed: Packed, outdir: Path) -> None:
    """Write the bundle; a folder of its own gets a `.gitignore`, so that it is never packed itself."""
    from wflow.bundle import manifest

    try:
        outdir.mkdir(parents=True, exist_ok=True)
        if not any(outdir.iterdir()):
            (outdir / ".gitignore").write_text("*\n", encoding="utf-8")
        (outdir / "bundle.tar.gz").write_bytes(packed.data)
        (outdir / "manifest.json").write_bytes(manifest.encode(packed.manifest))
    except OSError as error:
        raise UsageError(f"cannot write to `{outdir}`: {error.strerror}") from error
    output.say(f"Wrote {outdir / 'bundle.tar.gz'} and {outdir / 'manifest.json'}.")

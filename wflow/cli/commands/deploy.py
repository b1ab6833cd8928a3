"""Bundle this project and hand it to a runner."""

from __future__ import annotations

import json as codec
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from wflow.cli import findings, output, remote
from wflow.cli.flags import Config, Environment, Json
from wflow.errors import UsageError

if TYPE_CHECKING:
    from wflow.bundle.manifest import Manifest
    from wflow.bundle.pack import Packed

EXAMPLES = """
wflow deploy
wflow deploy --message "retry payments" -e staging
wflow deploy --dry-run --outdir dist
"""

_VALUE_CHARS = 60
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
    message: Annotated[
        str, typer.Option("--message", metavar="TEXT", help="What this version is about.")
    ] = "",
    environment: Environment = None,
    config: Config = None,
    json: Json = False,
) -> None:
    from wflow.bundle import lint, pack
    from wflow.config import load

    project = load.load(path=config, environment=environment)
    for note in (*project.notes, *(findings.text(found) for found in lint.lint(project))):
        output.warn(note)
    packed = pack.pack(project)
    if outdir:
        _write(packed, outdir)
    if not json:
        _show(packed)
    if dry_run:
        _stop(packed, json=json)
        return
    manifest = packed.manifest
    login = remote.login()
    begun = perf_counter()
    with remote.connect_as(login) as api:
        version = api.scripts.deploy(manifest.name, packed.data, digest=manifest.digest, message=message)
        took_s = perf_counter() - begun
        if json:
            output.payload(version)
            return
        alone = len(api.scripts.list()) == 1
    output.data(f"Uploaded {manifest.name} ({took_s:.2f} sec)")
    output.data(f"Deployed {manifest.name} triggers")
    output.data(f"  {_url(login.url, manifest.name, alone=alone)}")
    for workflow in manifest.workflows:
        output.data(f"  workflow: {workflow.name}")
    output.data(f"Current Version ID: {version['id']}")


def _show(packed: Packed) -> None:
    output.data(f"Total Upload: {_kib(packed.size_bytes)} / gzip: {_kib(len(packed.data))}")
    if bindings := _bindings(packed.manifest):
        output.data("Your Worker has access to the following bindings:")
        output.table(("Binding", "Resource"), bindings)


def _bindings(manifest: Manifest) -> list[tuple[str, str]]:
    return [
        *((f"env.{each.binding} ({each.class_name})", "Workflow") for each in manifest.workflows),
        *((f"env.{each.binding} ({each.id})", "KV Namespace") for each in manifest.kv),
        *((f"env.{name} ({_value(value)})", "Environment Variable") for name, value in manifest.vars.items()),
    ]


def _url(runner: str, name: str, *, alone: bool) -> str:
    """Say where the Worker answers: by the first label of the host name, or on any name when it is alone."""
    parts = urlsplit(runner)
    host = parts.hostname or ""
    if alone:
        return runner
    port = f":{parts.port}" if parts.port else ""
    domain = "localhost" if host in _LOOPBACK else host
    return f"{parts.scheme}://{name.lower()}.{domain}{port}"


def _value(value: object) -> str:
    text = codec.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_CHARS else f"{text[: _VALUE_CHARS - 3]}..."


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


def _kib(size_bytes: int) -> str:
    return f"{size_bytes / 1024:.2f} KiB"

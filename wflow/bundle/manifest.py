"""What a bundle says of itself: its workflows, bindings and variables, and the digest of every file."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from wflow.bundle import limits, paths
from wflow.engine import names
from wflow.errors import BundleError, InvalidInput
from wflow.wire import rates

if TYPE_CHECKING:
    from wflow.config.model import Project, Workflow

FORMAT: Final = 1
PYTHON: Final = f"{sys.version_info.major}.{sys.version_info.minor}"
# Looked up and not imported: `wflow` itself shows user code the rooms above, and an import only points down.
WFLOW: Final[str] = sys.modules["wflow"].__version__

Identifier = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*\Z", max_length=1_024)]
Count = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
Rate = Annotated[float, msgspec.Meta(gt=0, le=rates.MOST)]
Retention = Annotated[int, msgspec.Meta(ge=0, le=names.RETENTION_MS_MAX)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]


class Admission(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When instances may run, beside how many at once; the rates are how many a second.

    ``key`` is the way to their concurrency key in the params, of which ``per_key`` run at once.
    """

    key: Text | None = None
    per_key: Count | None = None
    start_rate: Rate | None = None
    creation_rate: Rate | None = None


class WorkflowEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workflow of the project: its name for people, its class, and the binding other code reaches it by.

    The retentions are in milliseconds; None leaves them to the runner. ``admission`` is not there when it
    says nothing, so that what was packed before there was one has the digest that it had.
    """

    name: str
    class_name: Identifier
    binding: Identifier
    step_limit: Annotated[int, msgspec.Meta(ge=1, le=names.STEPS_MAX)] = names.STEPS
    concurrency: Count | None = None
    success_retention_ms: Retention | None = None
    error_retention_ms: Retention | None = None
    admission: Admission | msgspec.UnsetType = msgspec.UNSET


class KvEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key-value namespace: the binding user code sees, and the id the runner knows it by."""

    binding: Identifier
    id: Text


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A version of a project, described.

    ``python`` ("3.11") and ``wflow`` are those that packed; ``files`` maps posix paths to SHA-256 in hex;
    ``unserved`` are bindings that its config declares and wflow does not have, each with its key there.
    """

    format: int = FORMAT
    name: Text
    main: Text
    python: Annotated[str, msgspec.Meta(pattern=r"^\d{1,3}\.\d{1,3}\Z")]
    wflow: Text
    compatibility_date: Text | None
    workflows: Annotated[tuple[WorkflowEntry, ...], msgspec.Meta(max_length=limits.ENTRIES)]
    kv: Annotated[tuple[KvEntry, ...], msgspec.Meta(max_length=limits.ENTRIES)]
    vars: dict[str, object]
    files: dict[str, Sha256]
    unserved: Annotated[dict[str, Text], msgspec.Meta(max_length=limits.ENTRIES)] = {}

    @property
    def digest(self) -> str:
        """The SHA-256 of the canonical encoding, as ``sha256:<hex>``; one for each different manifest."""
        return f"sha256:{hashlib.sha256(encode(self)).hexdigest()}"


def of(project: Project, files: Mapping[str, str] = MappingProxyType({})) -> Manifest:
    """Describe ``project``, with the digests of ``files`` when it is packed.

    Raises BundleError for a variable that JSON cannot hold.
    """
    return Manifest(
        name=project.name,
        main=PurePosixPath(project.main).as_posix(),
        python=PYTHON,
        wflow=WFLOW,
        compatibility_date=project.compatibility_date,
        workflows=tuple(
            WorkflowEntry(
                name=workflow.name,
                class_name=workflow.class_name,
                binding=workflow.binding,
                step_limit=workflow.step_limit,
                concurrency=workflow.concurrency,
                success_retention_ms=workflow.default_retention.success_ms,
                error_retention_ms=workflow.default_retention.error_ms,
                admission=_admission(workflow),
            )
            for workflow in project.workflows
            if workflow.script_name in {None, project.name}  # the others are shipped by their own project
        ),
        kv=tuple(
            KvEntry(binding=kv.binding, id=kv.id or _namespace(project.name, kv.binding))
            for kv in project.kv_namespaces
        ),
        vars={name: _plain(value, f"vars.{name}", 0) for name, value in project.vars.items()},
        files=dict(files),
        unserved=dict(project.unserved),
    )


def _admission(workflow: Workflow) -> Admission | msgspec.UnsetType:
    said = Admission(
        key=workflow.concurrency_key,
        per_key=workflow.per_key,
        start_rate=workflow.start_rate,
        creation_rate=workflow.creation_rate,
    )
    return msgspec.UNSET if said == Admission() else said


def encode(manifest: Manifest) -> bytes:
    """Give the canonical JSON: sorted keys, no spaces, UTF-8."""
    return msgspec.json.encode(manifest, order="sorted")


def decode(raw: bytes) -> Manifest:
    """Read a manifest without trusting it; raises BundleError that names what is wrong."""
    if len(raw) > limits.MANIFEST_BYTES:
        raise BundleError(f"the manifest has {len(raw):,} bytes; the limit is {limits.MANIFEST_BYTES:,}")
    try:
        _check_format(raw)
        manifest = msgspec.json.decode(raw, type=Manifest)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"the manifest makes no sense: {error}", hint="pack the project again") from error
    _check(manifest)
    return manifest


def _check_format(raw: bytes) -> None:
    found = msgspec.json.decode(raw, type=_Format).format
    if found != FORMAT:
        raise BundleError(
            f"the bundle has format {found}, this wflow ({WFLOW}) reads {FORMAT}",
            hint="use the same version of wflow here and on the runner",
        )


class _Format(msgspec.Struct):
    format: int = FORMAT


def _check(manifest: Manifest) -> None:
    if len(manifest.files) > limits.FILES:
        raise BundleError(f"the bundle has {len(manifest.files):,} files; the limit is {limits.FILES:,}")
    paths.check_all(manifest.files)
    paths.check(manifest.main)
    if "/" in manifest.name:
        raise BundleError(f"a project cannot be called {paths.shown(manifest.name)}: it has a slash")
    paths.check(manifest.name)
    try:
        for workflow in manifest.workflows:
            names.workflow_name(workflow.name)
    except InvalidInput as error:
        raise BundleError(error.message) from error
    _refuse_twins("workflow", [workflow.name for workflow in manifest.workflows])
    bindings = [workflow.binding for workflow in manifest.workflows] + [kv.binding for kv in manifest.kv]
    _refuse_twins("binding", bindings)
    for name, value in manifest.vars.items():
        _plain(value, f"vars.{name}", 0)


def _refuse_twins(what: str, given: list[str]) -> None:
    seen: set[str] = set()
    for name in given:
        if name in seen:
            raise BundleError(f"the manifest has the {what} `{name}` twice")
        seen.add(name)


def _plain(value: object, where: str, depth: int) -> object:
    """Copy a value into JSON's own types; what would come back as something else is refused."""
    if depth > names.NESTING:
        raise BundleError(f"`{where}` nests more than {names.NESTING} levels deep")
    match value:
        case None | bool():
            return value
        case str():
            return str.__str__(value)
        case int():
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case Mapping():
            return {str(name): _plain(item, f"{where}.{name}", depth + 1) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item, f"{where}[{n}]", depth + 1) for n, item in enumerate(value)]
    raise BundleError(f"`{where}` is {value!r}, which JSON cannot hold", hint="write it as text, in quotes")


def _namespace(project: str, binding: str) -> str:
    return f"{project}-{binding}".lower().replace("_", "-")

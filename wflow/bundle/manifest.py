"""What a bundle says of itself: its workflows, bindings and variables, and the digest of every file."""

from __future__ import annotations

import hashlib
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, Literal

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
Cron = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
Count = Annotated[int, msgspec.Meta(ge=1, le=2**53)]
Rate = Annotated[float, msgspec.Meta(gt=0, le=rates.MOST)]
Retention = Annotated[int, msgspec.Meta(ge=0, le=names.RETENTION_MS_MAX)]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=86_400)]
Sha256 = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]
Wanted = Annotated[str, msgspec.Meta(min_length=1, max_length=16_384)]
"""A requirement, with its hashes."""


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

    The retentions are in milliseconds; None leaves them to the runner. ``schedules`` make an instance each
    time they fire. What is UNSET (which is false) is not written, so that what was packed before there was
    such a thing has the digest that it had.
    """

    name: str
    class_name: Identifier
    binding: Identifier
    step_limit: Annotated[int, msgspec.Meta(ge=1, le=names.STEPS_MAX)] = names.STEPS
    concurrency: Count | None = None
    success_retention_ms: Retention | None = None
    error_retention_ms: Retention | None = None
    admission: Admission | msgspec.UnsetType = msgspec.UNSET
    schedules: Annotated[tuple[Cron, ...], msgspec.Meta(max_length=limits.ENTRIES)] | msgspec.UnsetType = (
        msgspec.UNSET
    )


class KvEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key-value namespace: the binding user code sees, and the id the runner knows it by."""

    binding: Identifier
    id: Text


class D1Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A database: the binding user code sees, the id the runner knows it by, its name for people."""

    binding: Identifier
    id: Text
    name: Text
    migrations_dir: Text = "migrations"
    migrations_table: Text = "d1_migrations"


class ProducerEntry(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A queue that code sends to; the delay is in seconds, None leaves it to the queue."""

    binding: Identifier
    queue: Text
    delivery_delay: Seconds | None = None


class ConsumerEntry(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A queue whose messages the Worker gets (``worker``), or others pull (``http_pull``).

    ``max_batch_timeout`` and ``retry_delay`` are in seconds; no ``max_concurrency``: as the backlog asks.
    """

    queue: Text
    type: Literal["worker", "http_pull"] = "worker"
    max_batch_size: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10
    max_batch_timeout: Annotated[int, msgspec.Meta(ge=0, le=60)] = 5
    max_retries: Annotated[int, msgspec.Meta(ge=0, le=100)] = 3
    dead_letter_queue: Text | None = None
    max_concurrency: Annotated[int, msgspec.Meta(ge=1, le=250)] | None = None
    retry_delay: Seconds = 0
    visibility_timeout_ms: Annotated[int, msgspec.Meta(ge=0, le=43_200_000)] | None = None


class ServiceEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Another Worker of the runner; ``entrypoint`` is its class there, None the Worker itself."""

    binding: Identifier
    service: Text
    entrypoint: Identifier | None = None


def _format() -> int:
    return FORMAT


def _none_unserved() -> dict[str, str]:
    return {}


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A version of a project, described.

    ``python`` ("3.11") and ``wflow`` are those that packed; ``files`` maps posix paths to SHA-256 in hex;
    ``unserved`` are bindings that its config declares and wflow does not have, each with its key there.
    ``crons`` call `scheduled`; None leaves them as they were, none of them ends them.

    What came later than the first bundles is not written while it says nothing, so these keep their digests;
    a default that a function makes is written always.
    """

    format: int = msgspec.field(default_factory=_format)
    name: Text
    main: Text
    python: Annotated[str, msgspec.Meta(pattern=r"^\d{1,3}\.\d{1,3}\Z")]
    wflow: Text
    compatibility_date: Text | None
    workflows: Annotated[tuple[WorkflowEntry, ...], msgspec.Meta(max_length=limits.ENTRIES)]
    kv: Annotated[tuple[KvEntry, ...], msgspec.Meta(max_length=limits.ENTRIES)]
    vars: dict[str, object]
    files: dict[str, Sha256]
    unserved: Annotated[dict[str, Text], msgspec.Meta(max_length=limits.ENTRIES)] = msgspec.field(
        default_factory=_none_unserved
    )
    d1: Annotated[tuple[D1Entry, ...], msgspec.Meta(max_length=limits.ENTRIES)] = ()
    producers: Annotated[tuple[ProducerEntry, ...], msgspec.Meta(max_length=limits.ENTRIES)] = ()
    consumers: Annotated[tuple[ConsumerEntry, ...], msgspec.Meta(max_length=limits.ENTRIES)] = ()
    services: Annotated[tuple[ServiceEntry, ...], msgspec.Meta(max_length=limits.ENTRIES)] = ()
    crons: Annotated[tuple[Cron, ...], msgspec.Meta(max_length=limits.ENTRIES)] | None = None
    required_secrets: Annotated[tuple[Identifier, ...], msgspec.Meta(max_length=limits.ENTRIES)] = ()
    requirements: Annotated[tuple[Wanted, ...], msgspec.Meta(max_length=limits.ENTRIES)] = ()

    @property
    def digest(self) -> str:
        """The SHA-256 of the canonical encoding, as ``sha256:<hex>``; one for each different manifest."""
        return f"sha256:{hashlib.sha256(encode(self)).hexdigest()}"


def of(
    project: Project,
    files: Mapping[str, str] = MappingProxyType({}),
    requirements: Sequence[str] = (),
) -> Manifest:
    """Describe ``project``, with the digests of ``files`` and its ``requirements`` when it is packed.

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
                schedules=workflow.schedules or msgspec.UNSET,
            )
            for workflow in project.workflows
            if workflow.script_name in {None, project.name}  # the others are shipped by their own project
        ),
        kv=tuple(
            KvEntry(binding=kv.binding, id=kv.id or resource_name(project.name, kv.binding))
            for kv in project.kv_namespaces
        ),
        vars={name: _plain(value, f"vars.{name}", 0) for name, value in project.vars.items()},
        files=dict(files),
        unserved=dict(project.unserved),
        d1=_databases(project),
        producers=tuple(
            ProducerEntry(
                binding=each.binding,
                queue=each.queue or resource_name(project.name, each.binding),
                delivery_delay=each.delivery_delay,
            )
            for each in project.producers
        ),
        consumers=tuple(
            ConsumerEntry(**{name: getattr(each, name) for name in ConsumerEntry.__struct_fields__})
            for each in project.consumers
        ),
        services=tuple(
            ServiceEntry(binding=each.binding, service=each.service, entrypoint=each.entrypoint)
            for each in project.services
        ),
        crons=project.crons,
        required_secrets=project.required_secrets or (),
        requirements=tuple(requirements),
    )


def resource_name(project: str, binding: str) -> str:
    """Name what a binding is bound to that names nothing: the Worker's own."""
    return f"{project}-{binding}".lower().replace("_", "-")


def _databases(project: Project) -> tuple[D1Entry, ...]:
    named = [(each, resource_name(project.name, each.binding)) for each in project.d1_databases]
    return tuple(
        D1Entry(
            binding=each.binding,
            id=each.id or name,
            name=each.name or name,
            migrations_dir=each.migrations_dir,
            migrations_table=each.migrations_table,
        )
        for each, name in named
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
    _refuse_twins("binding", _bound(manifest))
    _check_schedules(manifest)
    _check_requirements(manifest)
    _refuse_twins("consumer of queue", [entry.queue for entry in manifest.consumers])
    for name, value in manifest.vars.items():
        _plain(value, f"vars.{name}", 0)


def _check_schedules(manifest: Manifest) -> None:
    given = [*(manifest.crons or ()), *(cron for each in manifest.workflows for cron in each.schedules or ())]
    if not given:
        return
    from wflow.wire import crons

    if len(given) > crons.MOST:
        raise BundleError(f"the manifest has {len(given)} crons and schedules; the limit is {crons.MOST}")
    for cron in given:
        try:
            crons.parse(cron)
        except ValueError as wrong:
            raise BundleError(f"the manifest has the schedule {cron!r}: {wrong}") from None


def _check_requirements(manifest: Manifest) -> None:
    """Refuse what `pack` never writes: an installer would find options in it, or files of the machine."""
    if not manifest.requirements:
        return
    from wflow.bundle import requirements

    if len(manifest.requirements) > requirements.REQUIRED:
        raise BundleError(f"the manifest needs more than {requirements.REQUIRED} packages")
    for each in manifest.requirements:
        if requirements.checked(each, "the manifest") != each:
            raise BundleError(
                f"the manifest has the requirement {each[:200]!r}, which `pack` writes otherwise"
            )


def _bound(manifest: Manifest) -> list[str]:
    return [
        *(entry.binding for entry in manifest.workflows),
        *(entry.binding for entry in manifest.kv),
        *(entry.binding for entry in manifest.d1),
        *(entry.binding for entry in manifest.producers),
        *(entry.binding for entry in manifest.services),
    ]


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

"""Which Workers this runner serves, in which version, and which workflows that gives it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wflow.bundle.manifest import Admission, Manifest
from wflow.engine import names
from wflow.errors import WorkflowNotFound
from wflow.runner.deployments import point
from wflow.wire.types import Registered, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from wflow.bundle.manifest import WorkflowEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A version to run: its code is at ``root``, it works in ``folder``, its ``secrets`` join its vars.

    It imports from ``packages`` as well, if there are any of its own.
    """

    described: Version
    manifest: Manifest
    root: Path
    folder: Path
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    packages: Path | None = None

    @property
    def version(self) -> str:
        """The version's id."""
        return self.described.id

    @property
    def worker(self) -> str:
        """The Worker's name."""
        return self.described.worker


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """An older build that is live beside a Worker's main one, with its share in percent."""

    build: Build
    percentage: float


class Registry:
    """The main build of each Worker, what is live beside it, all builds by version, and the workflows.

    Workflows are as the main build declares them. One that it no longer declares is retired: it takes no new
    instances but from code that still has it, and those it has go on, on the versions they began with.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.current: dict[str, Build] = {}
        self.builds: dict[str, Build] = {}
        self._beside: dict[str, Beside] = {}
        self._workflows: dict[str, Registered] = {}
        self._retired: set[str] = set()
        self.on_activate: list[Callable[[], object]] = []
        """Each is called when another build is live."""

    def activate(
        self, build: Build, *, beside: Beside | None = None, since: Mapping[str, int] | None = None
    ) -> None:
        """Make ``build`` its Worker's main one; ``since`` says when its workflows were first declared."""
        # A dev session has one version, whatever its Worker is called now: the code before it is gone.
        for worker in [name for name, one in self.current.items() if one.version == build.version]:
            del self.current[worker]
        self.current[build.worker] = build
        self.builds[build.version] = build
        self._beside.pop(build.worker, None)
        if beside is not None:
            self._beside[build.worker] = beside
            self.builds[beside.build.version] = beside.build
        declared = {entry.name for entry in build.manifest.workflows}
        for name, one in list(self._workflows.items()):
            if name in declared:
                continue
            if one.version == build.version:
                del self._workflows[name]
            elif one.script_name == build.worker:
                self._retired.add(name)
        for entry in build.manifest.workflows:
            self._retired.discard(entry.name)
            self._register(build.described, entry, (since or {}).get(entry.name))
        for heard in self.on_activate:
            heard()

    def retire(self, version: Version, entry: WorkflowEntry, *, since: int) -> None:
        """Add a workflow that no current version declares, as ``version`` did, which was the last."""
        self._register(version, entry, since)
        self._retired.add(entry.name)

    def live(self) -> list[str]:
        """Name the versions that get new instances and requests."""
        beside = [one.build for one in self._beside.values()]
        return [build.version for build in (*self.current.values(), *beside)]

    def is_alone(self, workflow: Registered) -> bool:
        """Tell whether no other version is live beside the one that declares a workflow."""
        return workflow.script_name not in self._beside

    def choose(self, worker: str, place: float | None = None) -> Build:
        """Choose the build for a request to a Worker that is current, by its `point`, else by chance.

        The main build has the upper end: raising its share moves places to it, and none away from it.
        """
        beside = self._beside.get(worker)
        if beside is None:
            return self.current[worker]
        if place is None:
            place = secrets.randbelow(1_000_000) / 10_000
        return beside.build if place < beside.percentage else self.current[worker]

    def version_of(self, workflow: Registered, id_: str) -> str:
        """Say which version an instance gets that begins now: of a live one if that declares its workflow."""
        worker = workflow.script_name
        beside = self._beside.get(worker)
        if beside is None:
            return workflow.version
        if all(entry.name != workflow.name for entry in beside.build.manifest.workflows):
            return workflow.version
        if workflow.name in self._retired:
            return beside.build.version
        return self.choose(worker, point(worker, id_)).version

    def workflows(self) -> Sequence[Registered]:
        """List workflows by name, retired ones too."""
        return [self._workflows[name] for name in sorted(self._workflows)]

    def find(self, name: str) -> Registered | None:
        """Find a workflow, retired or not."""
        return self._workflows.get(name)

    def owner(self, name: str) -> str | None:
        """Name the Worker whose current version declares a workflow."""
        found = self._workflows.get(name)
        return None if found is None or name in self._retired else found.script_name

    def consumer(self, queue: str) -> str | None:
        """Name the Worker whose current version consumes a queue; of several the first by name."""
        for worker in sorted(self.current):
            if any(entry.queue == queue for entry in self.current[worker].manifest.consumers):
                return worker
        return None

    def workflow(self, name: str) -> Registered:
        """Get a workflow, retired or not; raises WorkflowNotFound with the names there are."""
        found = self._workflows.get(name)
        if found is None:
            known = ", ".join(sorted(self._workflows)) or "none"
            raise WorkflowNotFound(
                f"workflow.not_found: there is no workflow {name!r}", hint=f"there are: {known}"
            )
        return found

    def declared(self, name: str) -> Registered:
        """Get a workflow that takes new instances from anybody; raises WorkflowNotFound."""
        found = self.workflow(name)
        if name in self._retired:
            raise WorkflowNotFound(
                f"workflow.not_found: {found.script_name!r} no longer declares workflow {name!r}",
                hint="its instances go on, but new ones need a version that declares it",
            )
        return found

    def _register(self, version: Version, entry: WorkflowEntry, since: int | None) -> None:
        before = self._workflows.get(entry.name)
        if since is None:
            since = before.created_at if before else version.created_at
        rules = entry.admission or Admission()
        self._workflows[entry.name] = Registered(
            name=entry.name,
            class_name=entry.class_name,
            script_name=version.worker,
            binding=entry.binding,
            version=version.id,
            created_at=since,
            modified_at=version.created_at,
            concurrency=entry.concurrency,
            step_limit=entry.step_limit,
            success_retention_ms=_or_default(entry.success_retention_ms),
            error_retention_ms=_or_default(entry.error_retention_ms),
            concurrency_key=rules.key,
            per_key=rules.per_key,
            start_rate=rules.start_rate,
            creation_rate=rules.creation_rate,
            schedules=entry.schedules or (),
        )


def _or_default(retention_ms: int | None) -> int:
    return names.RETENTION_MS if retention_ms is None else retention_ms

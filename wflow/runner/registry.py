"""Which Workers this runner serves, in which version, and which workflows that gives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wflow.bundle.manifest import Manifest
from wflow.engine import names
from wflow.errors import WorkflowNotFound
from wflow.wire.types import Registered, Version

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from wflow.bundle.manifest import WorkflowEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A version to run: its code is at ``root``, it works in ``folder``, its ``secrets`` join its vars."""

    described: Version
    manifest: Manifest
    root: Path
    folder: Path
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The version's id."""
        return self.described.id

    @property
    def worker(self) -> str:
        """The Worker's name."""
        return self.described.worker


class Registry:
    """The current build of each Worker, all builds by version, and the workflows.

    A workflow that its Worker no longer declares is retired: it takes no new instances, and those it has go
    on, on the versions they began with.
    """

    def __init__(self) -> None:
        """Start with nothing."""
        self.current: dict[str, Build] = {}
        self.builds: dict[str, Build] = {}
        self._workflows: dict[str, Registered] = {}
        self._retired: set[str] = set()

    def activate(self, build: Build, *, since: Mapping[str, int] | None = None) -> None:
        """Make ``build`` its Worker's current one; ``since`` says when its workflows were first declared."""
        # A dev session has one version, whatever its Worker is called now: the code before it is gone.
        for worker in [name for name, one in self.current.items() if one.version == build.version]:
            del self.current[worker]
        self.current[build.worker] = build
        self.builds[build.version] = build
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

    def retire(self, version: Version, entry: WorkflowEntry, *, since: int) -> None:
        """Add a workflow that no current version declares, as ``version`` did, which was the last."""
        self._register(version, entry, since)
        self._retired.add(entry.name)

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
        """Get a workflow that takes new instances; raises WorkflowNotFound."""
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
        )


def _or_default(retention_ms: int | None) -> int:
    return names.RETENTION_MS if retention_ms is None else retention_ms

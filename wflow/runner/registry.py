"""Which Workers this runner serves, in which version, and which workflows that gives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wflow.errors import WorkflowNotFound
from wflow.wire.types import Registered, Version

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bundle.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """A version that can be run: its code is at ``root``; ``secrets`` join its vars; it works in ``folder``."""

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
    """The current build of each Worker, and all builds by version."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.current: dict[str, Build] = {}
        self.builds: dict[str, Build] = {}
        self._workflows: dict[str, Registered] = {}

    def activate(self, build: Build) -> None:
        """Make ``build`` its Worker's current one."""
        before = self.current.get(build.worker)
        self.current[build.worker] = build
        self.builds[build.version] = build
        for name in [name for name, one in self._workflows.items() if one.script_name == build.worker]:
            del self._workflows[name]
        for entry in build.manifest.workflows:
            self._workflows[entry.name] = Registered(
                name=entry.name,
                class_name=entry.class_name,
                script_name=build.worker,
                binding=entry.binding,
                version=build.version,
                created_at=(before or build).described.created_at,
                modified_at=build.described.created_at,
                concurrency=entry.concurrency,
                step_limit=entry.step_limit,
            )

    def workflows(self) -> Sequence[Registered]:
        """List workflows by name."""
        return [self._workflows[name] for name in sorted(self._workflows)]

    def find(self, name: str) -> Registered | None:
        """Find a workflow."""
        return self._workflows.get(name)

    def workflow(self, name: str) -> Registered:
        """Get a workflow; raises WorkflowNotFound with the names there are."""
        found = self._workflows.get(name)
        if found is None:
            known = ", ".join(sorted(self._workflows)) or "none"
            raise WorkflowNotFound(f"workflow.not_found: there is no workflow {name!r}", hint=f"there are: {known}")
        return found

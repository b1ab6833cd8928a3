"""A project as the build of a dev session: its code where it lies, its secrets beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.bundle import manifest as manifests
from wflow.runner.registry import Build
from wflow.wire.types import Version

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from wflow.config.model import Project

VERSION: Final = "dev"
"""The one version of a dev session: its instances follow the code as it is saved."""


def build_of(
    project: Project, secrets: Mapping[str, str], now: int, *, packages: Path | None = None
) -> Build:
    """Make the build of a project, which imports from ``packages`` as well.

    Raises BundleError for variables that cannot be shipped.
    """
    manifest = manifests.of(project)
    return Build(
        described=Version(
            id=VERSION,
            worker=project.name,
            number=1,
            digest=manifest.digest,
            message="",
            author="",
            created_at=now,
            size_bytes=0,
            workflows=[entry.name for entry in manifest.workflows],
        ),
        manifest=manifest,
        root=project.root,
        folder=project.root,
        secrets=dict(secrets),
        packages=packages,
    )

"""Make a bundle of a project: the same sources give the same bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wflow.bundle import archive, limits, manifest, paths, requirements, tree
from wflow.bundle.manifest import Manifest
from wflow.bundle.tree import Source
from wflow.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from wflow.config.model import Project

MANIFEST = "manifest.json"
FILES = "files/"
WHEELS = "wflow_wheels"
"""The folder, beside the project's own files, of the wheels that are shipped along."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """A bundle, and what to tell a person about it: its files by name with their sizes in bytes."""

    manifest: Manifest
    data: bytes
    files: tuple[tuple[str, int], ...]

    @property
    def size_bytes(self) -> int:
        """What its files take once they are unpacked."""
        return sum(size for _, size in self.files)


def wheels(manifest: Manifest) -> tuple[str, ...]:
    """Give the digests of the wheels that a bundle ships along, in the order of their names."""
    return tuple(digest for name, digest in sorted(manifest.files.items()) if name.startswith(f"{WHEELS}/"))


def pack(project: Project, wheels: Sequence[Path] = ()) -> Packed:
    """Pack what `tree.walk` finds in the project; the result is a function of names, contents and the config.

    ``wheels`` are shipped along, for runners that reach no index. Raises BundleError, which names the file,
    for what cannot be shipped and for what is over a limit.
    """
    along = [
        Source(name=f"{WHEELS}/{wheel.name}", path=wheel, size_bytes=wheel.stat().st_size) for wheel in wheels
    ]
    sources = sorted([*tree.walk(project.root), *along], key=lambda source: source.name)
    paths.check_all(source.name for source in sources)
    _check_size(sources)
    contents = {source.name: source.read() for source in sources}
    digests = {name: _sha256(content) for name, content in contents.items()}
    described = manifest.of(project, digests, requirements.find(project.root))
    if described.main not in contents:
        raise BundleError(
            f"`main` is {paths.shown(described.main)}, which is not among the files of the bundle",
            hint="put it into the project's folder, and out of .gitignore",
        )
    raw = manifest.encode(described)
    manifest.decode(raw)  # what we would refuse to take in is not handed out
    entries = [(MANIFEST, raw), *((FILES + name, content) for name, content in contents.items())]
    return Packed(
        manifest=described,
        data=archive.write(entries),
        files=tuple((name, len(content)) for name, content in contents.items()),
    )


def _check_size(sources: list[Source]) -> None:
    total = sum(source.size_bytes for source in sources)
    if total <= limits.UNPACKED_BYTES:
        return
    largest = sorted(sources, key=lambda source: -source.size_bytes)[:3]
    raise BundleError(
        f"the project has {limits.mib(total)} in {len(sources):,} files; "
        f"a bundle may have {limits.mib(limits.UNPACKED_BYTES)} unpacked",
        hint="name what is not to be shipped in .gitignore; the largest are "
        + ", ".join(f"{paths.shown(source.name)} ({limits.mib(source.size_bytes)})" for source in largest),
    )


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()

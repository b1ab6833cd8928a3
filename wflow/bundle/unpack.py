"""Take a bundle in from a stranger: all of it is checked before any of it is visible."""

from __future__ import annotations

import hashlib
import hmac
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from wflow.bundle import archive, manifest
from wflow.bundle.pack import FILES, MANIFEST
from wflow.bundle.paths import shown
from wflow.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wflow.bundle.manifest import Manifest


def unpack(data: bytes, into: Path, *, expected: str | None = None) -> Manifest:
    """Check a bundle and write its files into the new folder ``into``; gives its manifest.

    The archive is read twice, to judge it and to write it, so that a refused bundle never touches the disk.
    ``expected`` is the digest its manifest must have. Everything is on disk (fsync) before it appears under
    its name. Raises BundleError for whatever is not exactly what the manifest says, and when ``into`` exists;
    an OSError is the disk's.
    """
    described = check(data, expected=expected)
    if os.path.lexists(into):
        raise BundleError(f"{shown(str(into))} exists already")
    into.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{into.name}-", dir=into.parent))
    try:
        for name, content in _files(data, described):
            _write(beside / name, content)
        _sync_folders(beside)
        beside.rename(into)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    _sync(into.parent)
    return described


def check(data: bytes, *, expected: str | None = None) -> Manifest:
    """Judge a bundle as `unpack` does, without writing anything."""
    described = read_manifest(data)
    if expected is not None and not hmac.compare_digest(described.digest.encode(), expected.encode()):
        raise BundleError(
            f"the bundle's digest is {described.digest}, not {expected}", hint="upload it again"
        )
    if described.main not in described.files:
        raise BundleError(f"`main` is {shown(described.main)}, which is not among the files of the bundle")
    found = {name for name, _ in _files(data, described)}
    for missing in sorted(described.files.keys() - found):
        raise BundleError(f"{shown(missing)} is in the manifest, but not in the bundle")
    return described


def read_manifest(data: bytes) -> Manifest:
    """Read what a bundle says of itself, and nothing more of it; raises BundleError."""
    for name, content in archive.read(data):
        if name == MANIFEST:
            return manifest.decode(content)
        break
    raise BundleError(f"this is no bundle: it does not begin with {MANIFEST}")


def _files(data: bytes, described: Manifest) -> Iterator[tuple[str, bytes]]:
    """Yield the files by their names in the project, each one checked."""
    entries = archive.read(data)
    next(entries)  # the manifest
    seen: set[str] = set()
    for entry, content in entries:
        name = entry.removeprefix(FILES)
        sha256 = described.files.get(name)
        if sha256 is None or name == entry:
            raise BundleError(f"{shown(entry)} is in the bundle, but not in its manifest")
        if name in seen:
            raise BundleError(f"{shown(name)} is in the bundle twice")
        if hashlib.sha256(content).hexdigest() != sha256:
            raise BundleError(f"{shown(name)} is not what the manifest says: its digest differs")
        seen.add(name)
        yield name, content


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folders(top: Path) -> None:
    for folder, _, _ in os.walk(top, topdown=False):
        _sync(Path(folder))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Which files of a project are shipped: everything but what git ignores and what never leaves a machine."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wflow.bundle import gitignore, limits
from wflow.bundle.paths import check, shown
from wflow.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wflow.bundle.gitignore import GitIgnore

NEVER: Final = (
    *(".git", ".hg", ".svn"),
    *(".wflow", ".wrangler"),
    *(".env*", ".dev.vars*"),
    *(".venv", "venv", "node_modules"),
    *("__pycache__", "*.py[cod]", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis"),
    *(".idea", ".vscode", "*~", ".*.sw[a-p]", ".#*", "#*#", ".ds_store", "thumbs.db"),
)
"""Names, in any case and in any folder, that no `.gitignore` can bring back."""

_never = re.compile("|".join(fnmatch.translate(pattern) for pattern in NEVER))


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file of the project: its name in the bundle (posix, NFC) and where it lies."""

    name: str
    path: Path
    size_bytes: int

    def read(self) -> bytes:
        """Give its content; raises BundleError when it cannot be read or is too large."""
        try:
            with self.path.open("rb") as file:
                content = file.read(limits.FILE_BYTES + 1)
        except OSError as error:
            raise _unreadable(self.name, error) from error
        if len(content) > limits.FILE_BYTES:
            raise _too_large(self.name, max(len(content), self.size_bytes))
        return content


def walk(root: Path) -> Iterator[Source]:
    """Yield the files of the project in ``root``, folder by folder, by name.

    `.gitignore` files count as git reads them, those above ``root`` in the same repository too (unless they
    ignore ``root`` itself). Raises BundleError for a link or a special file that is not ignored, a folder
    that cannot be listed, a name that does not fit in a bundle, and after 10,000 files.
    """
    way, ignores = gitignore.around(root)
    for count, source in enumerate(_folder(root, way, len(way), ignores)):
        if count == limits.FILES:
            raise BundleError(
                f"the project has more than {limits.FILES:,} files, the limit of a bundle",
                hint="name what is not to be shipped in .gitignore",
            )
        yield source


def _folder(folder: Path, way: str, top: int, ignores: tuple[GitIgnore, ...]) -> Iterator[Source]:
    """Walk a folder; ``way`` leads to it from the top of the repository, ``top`` letters to the project."""
    try:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        raise _unreadable(way[top:] or ".", error) from error
    if any(entry.name == ".gitignore" and entry.is_file(follow_symlinks=False) for entry in entries):
        ignores = (gitignore.read(folder / ".gitignore", way), *ignores)
    if len(way) > top and any(entry.name == "pyvenv.cfg" for entry in entries):
        return  # a virtual environment, whatever its name
    for entry in entries:
        name = unicodedata.normalize("NFC", entry.name)
        if _never.fullmatch(name.casefold()):
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        full = f"{way}{name}/" if is_folder else way + name
        if gitignore.ignored(full, ignores):
            continue
        check(full[top:].removesuffix("/"))
        if is_folder:
            yield from _folder(folder / entry.name, full, top, ignores)
        else:
            yield _source(folder / entry.name, full[top:], entry)


def _source(path: Path, name: str, entry: os.DirEntry[str]) -> Source:
    if entry.is_symlink():
        raise BundleError(
            f"{shown(name)} is a symbolic link; a bundle holds plain files only",
            hint="put the file itself there, or name the link in .gitignore",
        )
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError as error:
        raise _unreadable(name, error) from error
    if not stat.S_ISREG(found.st_mode):
        raise BundleError(
            f"{shown(name)} is a pipe, a socket or a device; a bundle holds plain files only",
            hint="remove it, or name it in .gitignore",
        )
    if found.st_size > limits.FILE_BYTES:
        raise _too_large(name, found.st_size)
    return Source(name=name, path=path, size_bytes=found.st_size)


def _unreadable(name: str, error: OSError) -> BundleError:
    return BundleError(
        f"{shown(name)} cannot be read: {error.strerror}",
        hint="change its permissions, or name it in .gitignore",
    )


def _too_large(name: str, size_bytes: int) -> BundleError:
    return BundleError(
        f"{shown(name)} has {limits.mib(size_bytes)} ({size_bytes:,} bytes); "
        f"a file in a bundle may have {limits.mib(limits.FILE_BYTES)}",
        hint="keep data out of the bundle: name the file in .gitignore",
    )

"""How a file in a bundle may be called: one spelling that means the same file on every system."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from wflow.bundle import limits
from wflow.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DRIVE = re.compile(r"[A-Za-z]:")
_UNSEEN = {"Cc", "Cs"}  # control characters, and the surrogates that stand for bytes that are no UTF-8


def check(path: str) -> None:
    """Refuse a path that is not relative, plain, NFC and within the limits; raises BundleError.

    What climbs out (`..`), is absolute, has a drive or a backslash is refused on every system, so that
    a bundle means the same files wherever it is unpacked.
    """
    problem = _problem(path)
    if problem is not None:
        raise BundleError(f"a file cannot be called {shown(path)}: {problem}", hint="rename it")


def check_all(paths: Iterable[str]) -> None:
    """Check every path, and that no two of them are one file or folder where case is ignored.

    Raises BundleError that names both.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    known: set[str] = set()
    for path in paths:
        check(path)
        folded = _fold(path)
        if folded in files:
            raise _collision(files[folded], path)
        files[folded] = path
        for folder in _folders(path):
            if folder in known:
                break  # and so are those around it
            known.add(folder)
            if (before := folders.setdefault(_fold(folder), folder)) != folder:
                raise _collision(before, folder)
    for folded in sorted(files.keys() & folders.keys()):
        raise _collision(files[folded], f"{folders[folded]}/")


def shown(path: str) -> str:
    """Show a path to a person: quoted, without what a terminal would act upon, and not too long."""
    quoted = ascii(path) if any(unicodedata.category(letter)[0] == "C" for letter in path) else f"'{path}'"
    return quoted if len(quoted) <= 120 else f"{quoted[:117]}..."


def _problem(path: str) -> str | None:
    if any(unicodedata.category(letter) in _UNSEEN for letter in path):
        return "it has control characters, or is no UTF-8"
    if "\\" in path:
        return "it has a backslash"
    if path.startswith("/") or _DRIVE.match(path):
        return "it is absolute"
    parts = path.split("/")
    if ".." in parts:
        return "it climbs out with `..`"
    if "" in parts or "." in parts:
        return "a part of it is empty or `.`"
    if len(path.encode()) > limits.NAME_BYTES:
        return f"it has more than {limits.NAME_BYTES} bytes"
    if any(len(part.encode()) > limits.PART_BYTES for part in parts):
        return f"a part of it has more than {limits.PART_BYTES} bytes"
    if len(parts) > limits.FOLDERS_DEEP + 1:
        return f"it lies more than {limits.FOLDERS_DEEP} folders deep"
    if not unicodedata.is_normalized("NFC", path):
        return "it is not in Unicode's NFC form"
    return None


def _folders(path: str) -> Iterator[str]:
    end = path.rfind("/")
    while end > 0:
        yield path[:end]
        end = path.rfind("/", 0, end)


def _fold(path: str) -> str:
    # Unicode's canonical caseless match (The Unicode Standard, 3.13, D145).
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def _collision(one: str, other: str) -> BundleError:
    return BundleError(
        f"{shown(one)} and {shown(other)} are one name on systems that ignore case",
        hint="rename one of them",
    )

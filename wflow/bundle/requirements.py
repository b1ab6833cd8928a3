"""What other packages a project needs: of `[project] dependencies` in pyproject.toml, or requirements.txt."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Final

from packaging.markers import UndefinedComparison
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from wflow.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

PYPROJECT: Final = "pyproject.toml"
REQUIREMENTS: Final = "requirements.txt"
REQUIRED: Final = 500
"""Packages that a project may name."""
FILES_DEEP: Final = 8
"""Files of requirements that name others."""

PROVIDED: Final = frozenset({"wflow-toolkit", "workers-py", "workers-runtime-sdk", "pyodide-py", "webtypy"})
"""What the runtime brings itself, or what only Cloudflare's own has a use for."""

_NESTED: Final = re.compile(r"(?:-r|--requirement)[ =]\s*(\S.*)")
_HASHES: Final = re.compile(r"(?:\s+--hash[ =]\S+)+\s*\Z")
_COMMENT: Final = re.compile(r"(?:^|\s)#.*")


def find(root: Path) -> tuple[str, ...]:
    """Read what the project in ``root`` needs, each as it was written, sorted; nothing when it says nothing.

    A pyproject.toml that lists dependencies is heeded; else requirements.txt is. Raises BundleError for what
    cannot be installed elsewhere: a folder, a file, an option, a name that makes no sense.
    """
    declared = _declared(root / PYPROJECT)
    lines = _lines(root, root / REQUIREMENTS, 1) if declared is None else declared
    found = {text for line, where in lines if (text := checked(line, where)) is not None}
    if len(found) > REQUIRED:
        raise BundleError(f"the project needs {len(found):,} packages; it may name {REQUIRED}")
    return tuple(sorted(found))


def checked(line: str, where: str) -> str | None:
    """Give a requirement as it is kept; None when it is not for here. Raises BundleError."""
    line = " ".join(line.split())  # a line break would begin another line for the installer
    hashes = _HASHES.search(line)
    text = line[: hashes.start()] if hashes else line
    try:
        wanted = Requirement(text)
        if wanted.marker is not None:
            wanted.marker.evaluate()
    except (InvalidRequirement, UndefinedComparison) as wrong:
        reason = str(wrong).splitlines()[0]
        raise BundleError(
            f"{where}: {line[:200]!r} is no requirement: {reason}",
            hint='name a package as "httpx>=0.28"; where they come from is said to pip or uv on the runner',
        ) from None
    if wanted.url is not None and not wanted.url.startswith("https://"):
        raise BundleError(
            f"{where}: {line[:200]!r} lies where a runner cannot get it",
            hint="put the code into the project, or name a release",
        )
    if canonicalize_name(wanted.name) in PROVIDED:
        return None
    return line


def _declared(path: Path) -> Iterator[tuple[str, str]] | None:
    """Read `[project] dependencies`; None when there are none to be read."""
    if not path.is_file():
        return None
    try:
        project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as wrong:
        raise BundleError(f"{PYPROJECT} cannot be read: {wrong}") from None
    listed = project.get("dependencies") if isinstance(project, dict) else None
    if listed is None:
        return None
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise BundleError(f"{PYPROJECT}: `project.dependencies` must be an array of strings")
    return ((each, PYPROJECT) for each in listed)


def _lines(root: Path, path: Path, deep: int) -> Iterator[tuple[str, str]]:
    """Give the lines of a file of requirements, and of those that it names, with the file's name."""
    if deep == 1 and not path.is_file():
        return
    where = path.name if path.parent == root else str(path)
    if deep > FILES_DEEP:
        raise BundleError(f"{where}: files of requirements name each other {FILES_DEEP} deep")
    try:
        text = path.read_text(encoding="utf-8")
    except (UnicodeDecodeError, OSError) as wrong:
        raise BundleError(f"{where} cannot be read: {wrong}") from None
    for number, line in _logical(text):
        nested = _NESTED.fullmatch(line)
        if nested:
            yield from _lines(root, path.parent / nested[1], deep + 1)
        elif line.startswith("-"):
            raise BundleError(
                f"{where}:{number}: the option {line.split()[0]!r} means nothing to a runner",
                hint="its own pip or uv is told where packages come from, by PIP_INDEX_URL or UV_INDEX_URL",
            )
        else:
            yield line, f"{where}:{number}"


def _logical(text: str) -> Sequence[tuple[int, str]]:
    """Join lines that end with a backslash, and leave out comments."""
    found: list[tuple[int, str]] = []
    begun, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        first = first or number
        if line.endswith("\\"):
            begun += line[:-1] + " "
            continue
        whole = _COMMENT.sub("", begun + line).strip()
        if whole:
            found.append((first, whole))
        begun, first = "", 0
    return found

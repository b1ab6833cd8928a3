"""Makes a new project out of a template: the whole of it, or nothing."""

from __future__ import annotations

import os
import re
import unicodedata
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wflow.errors import UsageError, WflowError
from wflow.scaffold.templates import CARD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wflow.scaffold.templates import Template

# Cloudflare's rule for the name of a workflow; the project bears the same name.
_NAME: Final = re.compile(r"[a-z0-9_][a-z0-9_-]{0,62}")
_NAME_CHARS: Final = 63

# What a project gathers while it is used where it lies; and its owner's secrets, in every spelling.
_LEFT_OUT: Final = frozenset(
    {
        ".DS_Store",
        ".coverage",
        ".git",
        ".hypothesis",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".venv",
        ".wflow",
        "__pycache__",
    }
)
_SECRET: Final = re.compile(r"\.(env|dev\.vars)(\.(?!example$).*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A new project: its absolute ``path``, and its ``files`` (paths from there, with ``/``, in order)."""

    path: Path
    files: tuple[str, ...]


def create(template: Template, into: Path, *, name: str) -> Created:
    """Make the project ``name`` in the folder ``into``, which is new or empty; its parents are made too.

    UsageError when the name breaks the rule, when something is in the way (a file, a link, a folder that is
    not empty), or when the disk says no; then nothing is left behind.
    """
    valid_name(name)
    target = Path(os.path.abspath(into))  # noqa: PTH100  resolve() would follow the link that we refuse
    try:
        if _is_empty_folder(target, shown=into):
            files = _fill(template, target, name)
        else:
            files = _make(template, target, name)
    except OSError as error:
        raise UsageError(
            f"cannot create `{into}`: {error.strerror or error}",
            hint="choose another place, or see who may write there",
        ) from error
    return Created(path=target, files=files)


def valid_name(text: str) -> None:
    """Refuse what cannot name a project and its workflow, with a mended name in the hint.

    The rule is the config's for `name`: 1 to 63 lower-case letters, digits, underscores and hyphens, and no
    hyphen at the beginning.
    """
    if not _NAME.fullmatch(text):
        raise UsageError(
            f"{text[:_NAME_CHARS]!r} cannot name a project: a name has 1 to {_NAME_CHARS} lower-case "
            "letters, digits, underscores or hyphens, and begins with no hyphen",
            hint=f"try `{_mended(text)}`",
        )


def name_of(into: Path) -> str:
    """Give the name a project in this folder takes by default: the folder's own, also for ``.``."""
    return os.path.basename(os.path.abspath(into))  # noqa: PTH100, PTH119  as in create()


def _is_empty_folder(target: Path, *, shown: Path) -> bool:
    """Tell an empty folder from nothing at all; anything else is in the way."""
    if target.is_symlink():
        raise UsageError(f"`{shown}` is a link", hint="give the folder itself, or another name")
    if not target.exists():
        return False
    if not target.is_dir():
        raise UsageError(f"`{shown}` is a file", hint="choose another name, or move the file away")
    if any(target.iterdir()):
        raise UsageError(f"`{shown}` is not empty", hint="choose another name, or empty the folder first")
    return True


def _make(template: Template, target: Path, name: str) -> tuple[str, ...]:
    """Write a draft beside ``target`` and rename it, so that the project appears whole or not at all."""
    with ExitStack() as undo:
        for folder in _missing(target.parent):
            with suppress(FileExistsError):
                folder.mkdir()
                undo.callback(_remove_if_empty, folder)
        draft = _draft(target.parent, undo)
        files = _copy(template, draft, name)
        draft.rename(target)
        undo.pop_all()
    return files


def _fill(template: Template, target: Path, name: str) -> tuple[str, ...]:
    """Write a draft inside ``target`` and move its entries up.

    The folder itself stays: it may be a mount, or where the person's shell is.
    """
    with ExitStack() as undo:
        draft = _draft(target, undo)
        if [entry.name for entry in target.iterdir()] != [draft.name]:
            raise UsageError(f"`{target}` is not empty any more", hint="someone else writes there; try again")
        files = _copy(template, draft, name)
        for entry in sorted(draft.iterdir()):
            entry.rename(target / entry.name)
            undo.callback(_remove, target / entry.name)
        draft.rmdir()
        undo.pop_all()
    return files


def _missing(folder: Path) -> list[Path]:
    """Name ``folder`` and its parents that do not exist, the outermost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    return missing[::-1]


def _draft(home: Path, undo: ExitStack) -> Path:
    draft = home / f".wflow-init-{os.urandom(6).hex()}"
    draft.mkdir()
    undo.callback(_remove, draft)
    return draft


def _copy(template: Template, draft: Path, name: str) -> tuple[str, ...]:
    files = tuple(_walk(template.path))
    for file in files:
        source = template.path / file
        content = source.read_bytes()
        if file in template.named_in:
            content = _renamed(content, template.own_name, _spelled(name, file))
        copy = draft / file
        copy.parent.mkdir(parents=True, exist_ok=True)
        _write(copy, content, executable=os.access(source, os.X_OK))
    return files


def _walk(root: Path, inner: str = "") -> Iterator[str]:
    """Name the files of a template, without what is left out; links lead anywhere, so they are an error."""
    for entry in sorted((root / inner).iterdir()):
        path = f"{inner}{entry.name}"
        if entry.name in _LEFT_OUT or _SECRET.fullmatch(entry.name) or entry.suffix == ".pyc" or path == CARD:
            continue
        if entry.is_symlink():
            raise WflowError(f"a template holds no links, but {entry} is one")
        if entry.is_dir():
            yield from _walk(root, f"{path}/")
        elif entry.is_file():
            yield path


def _renamed(content: bytes, old: str, new: str) -> bytes:
    """Replace ``old`` where it stands as a word: never inside ``old-2``, ``my_old`` or ``OLD``."""
    word = rb"(?<![\w-])" + re.escape(old.encode()) + rb"(?![\w-])"
    return re.sub(word, lambda _: new.encode(), content)


def _spelled(name: str, file: str) -> str:
    """In pyproject.toml a name begins and ends with a letter or a digit (PEP 508)."""
    return name.strip("-_") or "project" if file == "pyproject.toml" else name


def _write(path: Path, content: bytes, *, executable: bool) -> None:
    """Write a new file with the person's own umask; a template in a read-only place stays writable here."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o777 if executable else 0o666)
    with open(handle, "wb") as file:  # noqa: PTH123  a path cannot be opened with a mode
        file.write(content)


def _remove(path: Path) -> None:
    """Take away what a failure left; that it was gone already, or cannot go, is not worth a second error."""
    import shutil

    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def _mended(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9_]+", "-", plain.lower()).strip("-")[:_NAME_CHARS].rstrip("-")
    return name or "my-workflow"

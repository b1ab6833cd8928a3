"""Finds the project templates: every folder with a ``template.toml`` is one."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from wflow.errors import UsageError, WflowError

CARD: Final = "template.toml"
"""The file that makes a folder a template; it is not copied into a new project."""

_PACKAGE: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A project that runs as it lies, and what makes another project of it.

    ``own_name`` is the name it bears itself. A new project's name takes its place in the files ``named_in``
    (paths from the template's folder, with ``/``) and nowhere else.
    """

    name: str
    summary: str
    path: Path
    own_name: str
    named_in: tuple[str, ...]


def available() -> tuple[Template, ...]:
    """Read every template there is, in alphabetical order."""
    folders = sorted(folder for folder in _home().iterdir() if (folder / CARD).is_file())
    return tuple(_read(folder) for folder in folders)


def get(name: str) -> Template:
    """Give the template called ``name``; UsageError, with the names there are, when there is none."""
    templates = {template.name: template for template in available()}
    if name not in templates:
        raise UsageError(f"there is no template `{name}`", hint=_suggestion(name, list(templates)))
    return templates[name]


def _home() -> Path:
    """Templates lie inside the package once it is installed, and beside it in a checkout."""
    homes = (_PACKAGE / "templates", _PACKAGE.parent / "templates")
    for home in homes:
        if home.is_dir():
            return home
    raise WflowError("this installation has no templates", hint="install wflow-toolkit again")


def _read(folder: Path) -> Template:
    card = tomllib.loads((folder / CARD).read_text(encoding="utf-8"))
    match card:
        case {"summary": str(summary), "own_name": str(own_name), "named_in": [*named_in], **rest} if (
            not rest and all(isinstance(file, str) for file in named_in)
        ):
            return Template(
                name=folder.name,
                summary=summary,
                path=folder,
                own_name=own_name,
                named_in=tuple(named_in),
            )
    raise WflowError(
        f"{folder / CARD} does not say what a template needs",
        hint="it has `summary` and `own_name` (strings) and `named_in` (a list of files), nothing else",
    )


def _suggestion(name: str, names: list[str]) -> str:
    from difflib import get_close_matches

    listed = "the templates are: " + ", ".join(f"`{known}`" for known in names)
    close = get_close_matches(name.lower(), names, n=1)
    return f"did you mean `{close[0]}`? {listed}" if close else listed

"""What git ignores: a `.gitignore` is asked about one file or folder at a time, from the top down."""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.errors import BundleError

if TYPE_CHECKING:
    from pathlib import Path

_FILE_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class GitIgnore:
    """A .gitignore: the rules for what lies below its folder."""

    way: str
    """From the top of the repository to its folder, with a slash at the end; empty at the top."""
    rules: tuple[tuple[re.Pattern[str], bool], ...]
    """The last rule first: a pattern for the whole of a path, and whether it ignores or brings back."""

    def judge(self, path: str) -> bool | None:
        """Say whether it ignores ``path`` (from the top of the repository); None when it does not say."""
        below = path[len(self.way) :]
        return next((ignores for pattern, ignores in self.rules if pattern.fullmatch(below)), None)


def ignored(path: str, files: tuple[GitIgnore, ...]) -> bool:
    """Say whether git ignores ``path``, a folder's with a slash at its end, whose folder is not ignored.

    ``files`` are the .gitignore files around it, the nearest first: the first that says anything decides.
    """
    return next((said for file in files if (said := file.judge(path)) is not None), False)


def around(root: Path) -> tuple[str, tuple[GitIgnore, ...]]:
    """Give the way from the top of the repository to the folder ``root``, and the .gitignore files on it.

    A folder that is in no repository, or that its repository ignores, is a top of its own.
    """
    folders = [root.resolve(), *root.resolve().parents]
    depth = next((n for n, folder in enumerate(folders) if os.path.lexists(folder / ".git")), 0)
    way = ""
    files: tuple[GitIgnore, ...] = ()
    for n in range(depth, 0, -1):
        if (folders[n] / ".gitignore").is_file():
            files = (read(folders[n] / ".gitignore", way), *files)
        way += f"{folders[n - 1].name}/"
        if ignored(way, files):
            return "", ()
    return way, files


def read(path: Path, way: str) -> GitIgnore:
    """Read a .gitignore (its first MiB); a line that git does not understand is no rule, as with git.

    Raises BundleError when it cannot be read.
    """
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    try:
        with path.open("rb") as file:
            text = file.read(_FILE_BYTES).decode("utf-8-sig", "surrogateescape")
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    rules: list[tuple[re.Pattern[str], bool]] = []
    for line in reversed(text.split("\n")):
        with contextlib.suppress(ValueError):
            made = GitIgnoreSpecPattern(_exactly(line.removesuffix("\r")))
            if made.regex is not None and made.include is not None:
                rules.append((made.regex, made.include))
    return GitIgnore(way=way, rules=tuple(rules))


def _exactly(rule: str) -> str:
    """Rewrite a rule so that the pattern made of it matches in full what git matches, and nothing around it.

    pathspec shortens rules that end in `*` or `**` to patterns that say "something below". That is fine to
    judge files one by one, but git judges folders too, and what is below an ignored one can never come back.
    """
    if not rule.endswith("\\ "):
        rule = rule.rstrip(" ")
    folders_only = "/" if rule.endswith("/") else ""
    before, slash, last = rule.removesuffix("/").rpartition("/")
    bang = "!" if not slash and last.startswith("!") else ""
    match last.removeprefix(bang):
        case "*":
            last = "?*"
        case "**":
            last = "**/?*" if slash else "?*"
        case _:
            return rule
    return f"{before}{slash}{bang}{last}{folders_only}"

"""Libraries imported ahead: a process that waits for code to be saved has what the code before it imported.

The project's own files are never among them. And where it could make a difference to the code that it finds a
library imported already, nothing is imported ahead, or the process says that it is of no use.
"""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import gc
import importlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wflow.runtime import aliases, loader
from wflow.runtime.output import Lines, muted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bundle.manifest import Manifest
    from wflow.runtime.output import Output

LIBRARIES: Final = 5_000
"""Modules that are imported ahead; of a project that imports more, the others wait for its code."""

_Stamp = tuple[int, int] | None


class Outdated(Exception):
    """What was imported ahead is not what the code would import now: let a new process have it."""


class Ahead:
    """A process's own imports, and those that it makes for a project it does not know yet."""

    def __init__(self) -> None:
        """Take what is imported now for wflow's own; whatever comes is a project's."""
        self._own = frozenset(sys.modules)
        self._environment = dict(os.environ)
        self._path = list(sys.path)
        self._warmed: list[str] = []
        self._stamps: dict[str, _Stamp] = {}

    def warm(self, libraries: Sequence[str], output: Output) -> None:
        """Import what code imported in another process, as far as that works.

        What is printed meanwhile was told when that code was loaded.
        """
        _print_to(output)
        contextvars.copy_context().run(_import, libraries[:LIBRARIES])
        self._warmed = [name for name in sys.modules if name not in self._own]
        self._stamps = {file: _stamp(file) for file in map(_file, self._warmed) if file}
        _freeze()

    def load(self, root: Path, manifest: Manifest, output: Output) -> loader.Code:
        """Import the project into this process, which is there for nothing else: what it prints is told.

        Raises LoadError, and Outdated before anything of the project was imported.
        """
        folders = [(root / manifest.main).parent, root]
        if self._is_outdated(folders):
            raise Outdated
        _print_to(output)
        self._path = list(sys.path)  # with the project's packages
        code = loader.load(root, manifest)
        _freeze()
        return dataclasses.replace(code, libraries=self._libraries(folders))

    def _is_outdated(self, folders: Sequence[Path]) -> bool:
        """Tell whether a file has changed since, or the project has a module of that name by now."""
        if any(_stamp(file) != stamp for file, stamp in self._stamps.items()):
            return True
        # The standard library goes before the project.
        tops = {name.partition(".")[0] for name in self._warmed} - sys.stdlib_module_names
        return any(aliases.has(folder, name) for folder in folders for name in tops)

    def _libraries(self, folders: Sequence[Path]) -> list[str]:
        """Name what the code has imported that is not its own.

        Nothing, when it has changed what a library may look at as it is imported: the environment, the path.
        """
        own = set(map(str, folders))
        path = [entry for entry in sys.path if entry in self._path or entry not in own]
        if path != self._path or dict(os.environ) != self._environment:
            return []
        found = [name for name in sys.modules if name not in self._own and _is_library(name, folders)]
        return found[:LIBRARIES]


def _print_to(output: Output) -> None:
    """Have what is printed told; once, as a library may keep the stream that it found at its import."""
    if not isinstance(sys.stdout, Lines):
        sys.stdout, sys.stderr = Lines(output, "info"), Lines(output, "error")


def _import(libraries: Sequence[str]) -> None:
    muted.set(True)
    with loader.apart():
        for name in libraries:
            with contextlib.suppress(Exception, SystemExit):
                importlib.import_module(name)


def _freeze() -> None:
    """Have later collections pass over what is there for good."""
    gc.collect()
    gc.freeze()


def _is_library(name: str, folders: Sequence[Path]) -> bool:
    file = _file(name)
    if file is None:
        return False
    for folder in folders:
        below = f"{folder}{os.sep}"
        if file.startswith(below) and "site-packages" not in Path(file.removeprefix(below)).parts:
            return False
    return True


def _file(name: str) -> str | None:
    """Give the file of a module that was imported from one, by this name."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec.origin if spec is not None and spec.has_location and spec.name == name else None


def _stamp(file: str) -> _Stamp:
    try:
        found = Path(file).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size

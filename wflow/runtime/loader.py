"""Imports the user's project and finds in it what its manifest names."""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import inspect
import os
import sys
import traceback
from asyncio import events
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from wflow.errors import LoadError
from wflow.runtime import aliases, site, workers
from wflow.runtime.authoring import WorkerEntrypoint, WorkflowEntrypoint
from wflow.runtime.workers.entrypoint import of_functions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import ModuleType

    from wflow.bundle.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The user's classes: workflows by their name in the config, and the Worker, if it has one.

    ``entrypoints`` are all its classes that other Workers may call, by name. ``libraries`` are modules, none
    of the project's own, that another process may import ahead of this code.
    """

    workflows: dict[str, type] = field(default_factory=dict)
    worker: type | None = None
    entrypoints: dict[str, type] = field(default_factory=dict)
    libraries: list[str] = field(default_factory=list)

    def handlers(self) -> list[str]:
        """Name what the Worker answers to."""
        return [
            name for name in ("fetch", "scheduled", "queue") if self.worker and _overrides(self.worker, name)
        ]

    def entrypoint(self, name: str) -> type | None:
        """Find a class that other Workers may call; the Worker itself without a name."""
        return self.entrypoints.get(name) if name else self.worker


def load(root: Path, manifest: Manifest) -> Code:
    """Import ``manifest.main``, whose folder is the import root, and find the classes.

    Raises LoadError with the user's part of the traceback, the file and the line.
    """
    # A file saved twice within a second can have the age and the size of its cached bytecode, and other
    # contents.
    sys.dont_write_bytecode = True
    return classes(bring(root, manifest), manifest)


def equip(packages: str) -> None:
    """Let user code import from a folder of packages of its own, if any, before what wflow came with."""
    if packages:
        _admit(Path(packages))
        importlib.invalidate_caches()


def bring(root: Path, manifest: Manifest) -> ModuleType:
    """Import ``manifest.main``; raises LoadError."""
    main = root / manifest.main
    site.seen_from(root)
    _admit(main.parent, root)
    aliases.install([main.parent, root])
    return _import(root, main)


def classes(module: ModuleType, manifest: Manifest) -> Code:
    """Find in ``manifest.main`` what the manifest names; raises LoadError."""
    workflows = {
        entry.name: _workflow(module, manifest.main, entry.class_name) for entry in manifest.workflows
    }
    entrypoints = {name: getattr(module, name) for name in _classes(module, WorkerEntrypoint)}
    return Code(workflows=workflows, worker=_worker(module), entrypoints=entrypoints)


def _admit(*folders: Path) -> None:
    """Let user code import from ``folders``, after the standard library, which it must not shadow."""
    library = str(Path(os.__file__).parent)
    places = [at for at, entry in enumerate(sys.path) if entry == library or entry.endswith("lib-dynload")]
    at = max(places, default=-1) + 1
    sys.path[at:at] = [str(folder) for folder in dict.fromkeys(folders) if str(folder) not in sys.path]


def _import(root: Path, main: Path) -> ModuleType:
    shown = str(main.relative_to(root))
    if not main.is_file():
        raise LoadError(f"there is no {shown}", hint="set `main` in the config")
    name = main.stem
    if name in sys.modules or name in sys.stdlib_module_names:
        raise LoadError(
            f"{shown} has the name of another module, {name!r}",
            hint=f"rename it, to my_{name}.py say, and set `main` in the config",
            file=shown,
        )
    spec = importlib.util.spec_from_file_location(name, main)
    if spec is None or spec.loader is None:
        raise LoadError(f"{shown} is no Python file", hint="set `main` in the config", file=shown)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        with apart():
            spec.loader.exec_module(module)
    except BaseException as error:
        raise _told(error, root) from error
    return module


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Import as if no loop ran: asyncio.run at import is the user's right. What runs gets its place back."""
    running = events._get_running_loop()  # noqa: SLF001 - asyncio's hook for loop authors
    events._set_running_loop(None)  # noqa: SLF001
    try:
        yield
    finally:
        events._set_running_loop(running)  # noqa: SLF001


def _told(error: BaseException, root: Path) -> LoadError:
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if _is_of(root, Path(frame.filename))
    ]
    file: str | None = None
    line: int | None = None
    if isinstance(error, SyntaxError) and error.filename:
        file, line = error.filename, error.lineno
    elif frames:
        file, line = frames[-1].filename, frames[-1].lineno
    shown = None if file is None else _relative(file, root)
    lines = traceback.format_list(frames) + traceback.format_exception_only(error)
    where = f"{shown}:{line}: " if shown else ""
    return LoadError(
        f"{where}{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}",
        hint=_hint(error, root),
        trace="".join(lines),
        file=shown,
        line=line,
    )


def _is_of(root: Path, file: Path) -> bool:
    return file.is_relative_to(root) and "site-packages" not in file.relative_to(root).parts


def _hint(error: BaseException, root: Path) -> str | None:
    if not isinstance(error, ImportError) or not error.name:
        return None
    top = error.name.partition(".")[0]
    if top in sys.stdlib_module_names:
        own = [folder / f"{top}.py" for folder in map(Path, sys.path) if _is_of(root, folder / f"{top}.py")]
        twins = [file.relative_to(root) for file in own if file.is_file()]
        return f"rename {twins[0]}: a standard module has that name, and goes first" if twins else None
    if top in {"js", "pyodide"}:
        return (
            "there is no JavaScript here: take Response and fetch from `workers`, and pass values as they are"
        )
    if error.name == workers.__name__:
        return f"of Cloudflare's `workers`, wflow has {', '.join(workers.__all__)}"
    if isinstance(error, ModuleNotFoundError):
        return (
            f"name the package of {error.name!r} in pyproject.toml or requirements.txt (and install it, for "
            "`wflow dev`), or check the import's spelling"
        )
    return None


def _relative(file: str, root: Path) -> str:
    path = Path(file)
    return str(path.relative_to(root)) if path.is_relative_to(root) else file


def _workflow(module: ModuleType, main: str, name: str) -> type:
    found = getattr(module, name, None)
    if found is None:
        near = difflib.get_close_matches(name, _classes(module, WorkflowEntrypoint), n=1)
        raise LoadError(
            f"{main} has no class {name!r}, which the config names",
            hint=f"did you mean {near[0]!r}?" if near else f"define it in {main}, or import it there",
            file=main,
        )
    if not (isinstance(found, type) and issubclass(found, WorkflowEntrypoint) and _overrides(found, "run")):
        raise LoadError(
            f"{name!r} in {main} is no workflow",
            hint=f"class {name}(WorkflowEntrypoint): async def run(self, event, ctx): ...",
            file=main,
        )
    if not inspect.iscoroutinefunction(found.run):
        raise LoadError(f"`run` of {name!r} in {main} must be `async def`", file=main)
    return found


def _worker(module: ModuleType) -> type | None:
    found = getattr(module, "Default", None)
    if isinstance(found, type) and issubclass(found, WorkerEntrypoint):
        return found
    own = _classes(module, WorkerEntrypoint)
    return getattr(module, own[0]) if len(own) == 1 else of_functions(module)


def _classes(module: ModuleType, parent: type) -> Sequence[str]:
    return [
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, parent) and not value.__module__.startswith("wflow.")
    ]


def _overrides(cls: type, name: str) -> bool:
    own = getattr(cls, name, None)
    return callable(own) and own not in {
        getattr(WorkflowEntrypoint, name, None),
        getattr(WorkerEntrypoint, name, None),
    }

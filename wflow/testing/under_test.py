"""What is under test: the project that a test lies in, or workflow classes that it names."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wflow.bundle import manifest as manifests
from wflow.bundle.manifest import KvEntry, Manifest, WorkflowEntry
from wflow.config.load import load as read_config
from wflow.config.secrets import dev_vars
from wflow.engine import names
from wflow.errors import InvalidInput
from wflow.runner.project import VERSION, build_of
from wflow.runner.registry import Build
from wflow.runtime import aliases, loader
from wflow.runtime.authoring import WorkerEntrypoint, WorkflowEntrypoint
from wflow.runtime.output import Output
from wflow.wire.types import Version

if TYPE_CHECKING:
    from types import ModuleType

NAME: Final = "under-test"
"""What a project of classes is called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderTest:
    """A build, and how its code gets into the process of the test."""

    build: Build
    load: Callable[[Path, Manifest, Output | None], loader.Code]

    def classes(self) -> loader.Code:
        """Give the user's classes, imported if they are not yet; raises LoadError."""
        return self.load(self.build.root, self.build.manifest, None)


def project(
    workflows: Mapping[str, type],
    *,
    worker: type | None = None,
    kv: Sequence[str] = (),
    vars: Mapping[str, object] | None = None,
    limits: Mapping[str, int] | None = None,
) -> UnderTest:
    """Make a project of workflow classes, by their names in `env`; it needs no files.

    ``kv`` names key-value namespaces, ``vars`` are variables and secrets, ``limits`` says how many instances
    of a workflow run at once. A workflow's own name is its binding's in small letters, with dashes. Raises
    InvalidInput for what is no workflow.
    """
    for binding, cls in workflows.items():
        if not _is(cls, WorkflowEntrypoint):
            raise InvalidInput(f"{binding}: {names.shown(cls)} is no class of a WorkflowEntrypoint")
    if worker is not None and not _is(worker, WorkerEntrypoint):
        raise InvalidInput(f"{names.shown(worker)} is no class of a WorkerEntrypoint")
    manifest = Manifest(
        name=NAME,
        main="worker.py",
        python=manifests.PYTHON,
        wflow=manifests.WFLOW,
        compatibility_date=None,
        workflows=tuple(
            WorkflowEntry(
                name=_named(binding),
                class_name=cls.__name__,
                binding=binding,
                concurrency=(limits or {}).get(binding),
            )
            for binding, cls in workflows.items()
        ),
        kv=tuple(KvEntry(binding=name, id=name.lower()) for name in kv),
        vars=dict(vars or {}),
        files={},
    )
    code = loader.Code(workflows={_named(name): cls for name, cls in workflows.items()}, worker=worker)
    folder = Path.cwd()
    build = Build(described=_version(manifest), manifest=manifest, root=folder, folder=folder)
    return UnderTest(build=build, load=lambda *_: code)


def _is(given: object, parent: type) -> bool:
    return isinstance(given, type) and issubclass(given, parent)


def found(start: Path, *, environment: str | None = None) -> UnderTest:
    """Read the project whose config file is ``start``, or lies in it or in a folder above it.

    Raises ConfigError as `wflow dev` does.
    """
    file = start if start.is_file() else None
    read = read_config(start, path=file, environment=environment)
    secrets, _ = dev_vars(read)
    return UnderTest(build=build_of(read, secrets, 0), load=_load)


def _load(root: Path, manifest: Manifest, _output: Output | None) -> loader.Code:
    """Import the project once, as the tests do: what they have imported already is what runs."""
    main = root / manifest.main
    known = sys.modules.get(main.stem)
    if known is not None and _file(known) == main.resolve():
        aliases.install([main.parent, root])
        return loader.classes(known, manifest)
    if known is not None and _is_users(known):
        _forget(_file(known))
    return loader.classes(loader.bring(root, manifest), manifest)


def _file(module: ModuleType) -> Path | None:
    name = getattr(module, "__file__", None)
    return None if name is None else Path(name).resolve()


def _is_users(module: ModuleType) -> bool:
    return any(
        isinstance(value, type) and issubclass(value, (WorkerEntrypoint, WorkflowEntrypoint))
        for value in vars(module).values()
    )


def _forget(main: Path | None) -> None:
    """Let go of another project that was under test before: its modules have the names of this one's."""
    if main is None:
        return
    for name, module in list(sys.modules.items()):
        file = _file(module)
        if file is not None and file.is_relative_to(main.parent):
            del sys.modules[name]
    sys.path[:] = [entry for entry in sys.path if not entry or Path(entry).resolve() != main.parent]
    importlib.invalidate_caches()


def _version(manifest: Manifest) -> Version:
    return Version(
        id=VERSION,
        worker=manifest.name,
        number=1,
        digest=manifest.digest,
        message="",
        author="",
        created_at=0,
        size_bytes=0,
        workflows=[entry.name for entry in manifest.workflows],
    )


def _named(binding: str) -> str:
    return names.workflow_name(binding.lower().replace("_", "-"))

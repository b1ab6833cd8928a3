"""A project on disk, and the report that reading it gives."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest

from wflow.config.load import load
from wflow.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from wflow.config.model import Project

WORKER = """\
from wflow import WorkerEntrypoint
from workflow import MyWorkflow, OtherWorkflow

class Default(WorkerEntrypoint): ...
"""


class Folder:
    """A project's folder: `src/worker.py` lies there, the config is written by the test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write("src/worker.py", WORKER)

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(textwrap.dedent(text).encode())
        return path

    def load(self, config: str, environment: str | None = None) -> Project:
        self.write("wflow.toml", config)
        return load(self.root, environment=environment)

    def refusal(self, config: str, environment: str | None = None) -> str:
        with pytest.raises(ConfigError) as caught:
            self.load(config, environment)
        return caught.value.message


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """One project for the many configs of a property test."""
    return Folder(tmp_path_factory.mktemp("project"))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)

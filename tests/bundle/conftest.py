"""A project on disk, from a mapping of its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bundle.judging import expected
from wflow.bundle.lint import lint
from wflow.config.model import KvNamespace, Project, Workflow

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WORKER = "from wflow import WorkflowEntrypoint\n"


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Project]:
    """Write files (text or bytes by name), `src/worker.py` among them, and describe the project."""

    def make(files: Mapping[str, str | bytes] = {}, *, at: str = "shop", **fields: object) -> Project:
        root = tmp_path / at
        for name, content in {"src/worker.py": WORKER, **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        given = {
            "name": "shop",
            "main": "src/worker.py",
            "workflows": (Workflow(binding="ORDERS", name="orders", class_name="Orders"),),
            "kv_namespaces": (KvNamespace(binding="SHOP_CACHE"),),
            **fields,
        }
        return Project(root=root, path=root / "wflow.toml", **given)  # type: ignore[arg-type]

    return make


@pytest.fixture
def judge(project: Callable[..., Project]) -> Callable[..., None]:
    """Check code, alone or with other files of the project, and hold what is found against its comments."""

    def check(code: str, **others: str) -> None:
        files = {"src/worker.py": code, **{f"src/{name}.py": text for name, text in others.items()}}
        found = lint(project(files))
        for name, text in files.items():
            here = [(finding.line, finding.rule) for finding in found if finding.path == name]
            assert sorted(here) == expected(text), (name, text)

    return check

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wflow.config.model import Dev, KvNamespace, Project, Retention, Workflow

if TYPE_CHECKING:
    from tests.config.conftest import Folder

EVERYTHING = Path(__file__).with_name("everything.toml").read_text()


def test_every_key_becomes_its_field(folder: Folder):
    project = folder.load(EVERYTHING)
    assert project == Project(
        root=folder.root,
        path=folder.root / "wflow.toml",
        name="shop",
        main="src/worker.py",
        compatibility_date="2026-10-01",
        compatibility_flags=("python_workflows",),
        workflows=(
            Workflow(
                binding="ORDERS",
                name="orders",
                class_name="MyWorkflow",
                step_limit=25_000,
                schedules=("0 * * * *",),
                default_retention=Retention(success_ms=259_200_000, error_ms=60_000),
                concurrency=50_000,
                concurrency_key="customer.id",
                per_key=2,
                start_rate=20 / 60,
                creation_rate=1_000,
            ),
            Workflow(binding="BILLS", name="bills", class_name="Bills", script_name="billing"),
        ),
        kv_namespaces=(KvNamespace(binding="KV", id="f00", preview_id="ba5"),),
        vars={"RATE": 1.5, "REGIONS": ["eu", "us"], "nested": {"on": True}},
        dev=Dev(ip="0.0.0.0", port=9000),  # noqa: S104 (read, not bound)
        environment=None,
        notes=project.notes,
    )
    idle = [note.rpartition("].")[2] for note in project.notes]
    assert idle == [
        "schedules: checked, but without effect yet",
        "script_name: wflow serves no workflows of other projects yet: no binding",
    ]


def test_what_is_not_said_has_cloudflares_defaults(folder: Folder):
    project = folder.load(
        """
        name = "shop"
        main = "src/worker.py"
        workflows = [{ binding = "W", name = "w", class_name = "MyWorkflow" }]
        """
    )
    (workflow,) = project.workflows
    assert (workflow.step_limit, workflow.concurrency, workflow.schedules) == (10_000, None, ())
    assert workflow.default_retention == Retention(success_ms=None, error_ms=None)
    assert (project.dev.ip, project.dev.port) == ("localhost", 8787)
    assert (project.kv_namespaces, dict(project.vars), project.compatibility_date) == ((), {}, None)


@pytest.mark.parametrize("kind", [Project, Workflow, KvNamespace, Dev, Retention])
def test_what_is_read_is_frozen(kind: type, folder: Folder):
    project = folder.load(EVERYTHING)
    workflow = project.workflows[0]
    parts = [project, workflow, project.kv_namespaces[0], project.dev, workflow.default_retention]
    (value,) = [part for part in parts if isinstance(part, kind)]
    with pytest.raises(FrozenInstanceError):
        setattr(value, fields(kind)[0].name, None)

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wflow.config.load import load
from wflow.config.model import (
    Build,
    Consumer,
    D1Database,
    Dev,
    KvNamespace,
    Producer,
    Project,
    Retention,
    Service,
    Workflow,
)

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
        d1_databases=(
            D1Database(
                binding="DB",
                name="app",
                id="d1",
                preview_id="d2",
                migrations_dir="db",
                migrations_table="moves",
            ),
        ),
        producers=(Producer(binding="JOBS", queue="jobs", delivery_delay=60),),
        consumers=(
            Consumer(
                queue="jobs",
                max_batch_size=100,
                max_batch_timeout=60,
                max_retries=100,
                dead_letter_queue="dead",
                max_concurrency=250,
                retry_delay=86_400,
            ),
            Consumer(queue="dead", type="http_pull", visibility_timeout_ms=43_200_000),
        ),
        services=(Service(binding="AUTH", service="auth", entrypoint="Admin"),),
        crons=("*/5 * * * *",),
        required_secrets=("KEY",),
        vars={"RATE": 1.5, "REGIONS": ["eu", "us"], "nested": {"on": True}},
        build=Build(command="make", cwd="tools", watch_dir=("src", "proto")),
        dev=Dev(ip="0.0.0.0", port=9000),  # noqa: S104 (read, not bound)
        environment=None,
        notes=project.notes,
    )
    idle = [note.rpartition("].")[2] for note in project.notes]
    assert idle == [
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
    assert (project.crons, project.required_secrets, project.services) == (None, None, ())


def test_what_is_not_said_of_databases_and_queues_has_cloudflares_defaults(folder: Folder):
    project = folder.load(
        """
        name = "shop"
        main = "src/worker.py"
        d1_databases = [{ binding = "DB" }]
        queues = { producers = [{ binding = "JOBS" }], consumers = [{ queue = "jobs" }] }
        """
    )
    (database,), (producer,), (consumer,) = project.d1_databases, project.producers, project.consumers
    assert (database.migrations_dir, database.migrations_table) == ("migrations", "d1_migrations")
    assert (producer.queue, producer.delivery_delay) == (None, None)
    assert (consumer.type, consumer.max_batch_size, consumer.max_batch_timeout) == ("worker", 10, 5)
    assert (consumer.max_retries, consumer.retry_delay, consumer.max_concurrency) == (3, 0, None)


def test_a_number_of_wranglers_that_is_null_is_not_said(folder: Folder):
    folder.write(
        "wrangler.jsonc",
        '{"name": "shop", "main": "src/worker.py", "queues": {"consumers": [{"queue": "jobs", '
        '"max_concurrency": null, "visibility_timeout_ms": null}]}}',
    )
    (consumer,) = load(folder.root).consumers
    assert (consumer.max_concurrency, consumer.visibility_timeout_ms) == (None, None)


@pytest.mark.parametrize("kind", [Project, Workflow, KvNamespace, Dev, Retention])
def test_what_is_read_is_frozen(kind: type, folder: Folder):
    project = folder.load(EVERYTHING)
    workflow = project.workflows[0]
    parts = [project, workflow, project.kv_namespaces[0], project.dev, workflow.default_retention]
    (value,) = [part for part in parts if isinstance(part, kind)]
    with pytest.raises(FrozenInstanceError):
        setattr(value, fields(kind)[0].name, None)

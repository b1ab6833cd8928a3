"""A host with queues, of which a Worker's live version names some."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.runner.stage import build
from tests.server.small_host import House, result
from tests.server.small_host import problem as problem_of
from wflow.bundle.manifest import ConsumerEntry, ProducerEntry
from wflow.runner.queues import Queues
from wflow.runner.queues_delivery import Around
from wflow.runner.registry import Registry


@pytest.fixture
def queued(house: House) -> House:
    """Have queues on the host; the Worker `shop` sends to `jobs` and consumes it."""
    registry = Registry()
    plain = build(version="v1", at=house.host.now())
    manifest = msgspec.structs.replace(
        plain.manifest,
        producers=(ProducerEntry(binding="JOBS", queue="jobs"),),
        consumers=(ConsumerEntry(queue="jobs", max_batch_size=5, dead_letter_queue="dead"),),
    )
    registry.activate(
        type(plain)(described=plain.described, manifest=manifest, root=plain.root, folder=plain.folder)
    )
    host: Any = house.host
    host.workers = lambda: [plain.described]
    silent: Any = SimpleNamespace()
    host.queues = Queues(
        Around(store=house.host.store, registry=registry, fleet=silent, notes=silent, now=house.host.now)
    )
    return house


def made(house: House, name: str, **settings: object) -> dict[str, Any]:
    """Make a queue."""
    return dict(result(house.api("POST", "/queues", json={"queue_name": name, "settings": settings})))


def problem(answer: Any, status: int) -> dict[str, Any]:
    """Give the problem of an answer with that status."""
    assert answer.status_code == status, answer.text
    _, code, message = problem_of(answer)
    return {"code": code, "message": message}

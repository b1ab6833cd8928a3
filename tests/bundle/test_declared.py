"""Which bindings a version has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow import bindings, catalogue
from wflow.bundle import manifest
from wflow.bundle.declared import Declared, declared
from wflow.bundle.manifest import (
    ConsumerEntry,
    D1Entry,
    KvEntry,
    Manifest,
    ProducerEntry,
    ServiceEntry,
    WorkflowEntry,
)

if TYPE_CHECKING:
    from types import ModuleType


def manifest_of(**given):
    parts = {"workflows": (), "kv": (), "vars": {}, **given}
    return Manifest(
        name="shop",
        main="src/worker.py",
        python="3.11",
        wflow="0.1.0",
        compatibility_date=None,
        files={},
        **parts,
    )


def test_workflows_and_namespaces_are_bindings_by_their_names_in_env():
    made = manifest_of(
        workflows=(WorkflowEntry(name="orders", class_name="Orders", binding="ORDERS"),),
        kv=(KvEntry(binding="KV", id="shop-kv"), KvEntry(binding="CACHE", id="0ab1")),
    )
    assert declared(manifest.decode(manifest.encode(made))) == [
        Declared("kv", "KV", "shop-kv"),
        Declared("kv", "CACHE", "0ab1"),
        Declared("workflow", "ORDERS", "orders"),
    ]


def test_databases_queues_and_services_are_bindings_too():
    made = manifest_of(
        d1=(D1Entry(binding="DB", id="d1", name="app"),),
        producers=(ProducerEntry(binding="JOBS", queue="jobs"),),
        consumers=(ConsumerEntry(queue="jobs"),),
        services=(
            ServiceEntry(binding="AUTH", service="auth"),
            ServiceEntry(binding="ADMIN", service="auth", entrypoint="Admin"),
        ),
    )
    assert declared(manifest.decode(manifest.encode(made))) == [
        Declared("d1", "DB", "d1"),
        Declared("queue", "JOBS", "jobs"),
        Declared("service", "AUTH", "auth"),
        Declared("service", "ADMIN", "auth#Admin"),
    ]


def test_a_version_may_have_none():
    assert declared(manifest_of()) == []


def test_every_kind_has_a_file_with_a_stub_and_a_provider():
    made = manifest_of(
        workflows=(WorkflowEntry(name="orders", class_name="Orders", binding="ORDERS"),),
        kv=(KvEntry(binding="KV", id="shop-kv"),),
    )
    for one in declared(made):
        module: ModuleType | None = catalogue.find(bindings, one.kind)
        assert module is not None
        assert callable(module.stub)
        assert callable(module.serve)

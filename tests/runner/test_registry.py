from __future__ import annotations

import pytest

from tests.runner.stage import build, entry
from wflow.bundle.manifest import Admission
from wflow.errors import WorkflowNotFound
from wflow.runner.deployments import point
from wflow.runner.registry import Beside, Registry


def test_a_build_brings_its_workflows_with_their_limits():
    registry = Registry()
    registry.activate(build(entry("orders", limit=3), entry("returns"), version="v1", at=7))
    orders, returns = registry.workflows()
    assert (orders.name, orders.class_name, orders.binding, orders.concurrency) == (
        "orders",
        "Orders",
        "ORDERS",
        3,
    )
    assert (orders.script_name, orders.version, orders.created_at, orders.modified_at) == ("shop", "v1", 7, 7)
    assert (returns.name, returns.concurrency) == ("returns", None)


def test_what_a_workflow_says_of_retention_stands_beside_the_default():
    registry = Registry()
    registry.activate(build(entry("orders", success_retention_ms=0), version="v1"))
    orders = registry.declared("orders")
    assert (orders.success_retention_ms, orders.error_retention_ms) == (0, 7 * 86_400_000)


def test_a_new_version_changes_when_a_workflow_was_modified_and_not_when_it_was_made():
    registry = Registry()
    for number in (1, 2, 3):
        registry.activate(build(entry("orders"), version=f"v{number}", at=number))
    (orders,) = registry.workflows()
    assert (orders.version, orders.created_at, orders.modified_at) == ("v3", 1, 3)
    assert set(registry.builds) == {"v1", "v2", "v3"}
    assert registry.current["shop"].version == "v3"


def test_since_says_what_the_registry_cannot_know():
    registry = Registry()
    registry.activate(build(entry("orders"), entry("new"), version="v3", at=3), since={"orders": 1})
    assert {one.name: one.created_at for one in registry.workflows()} == {"orders": 1, "new": 3}


def test_a_workflow_that_is_no_longer_declared_can_be_looked_at_and_takes_nothing_new():
    registry = Registry()
    registry.activate(build(entry("orders", limit=2), entry("returns"), version="v1"))
    registry.activate(build(entry("returns"), version="v2"))
    assert [one.name for one in registry.workflows()] == ["orders", "returns"]
    found = registry.find("orders")
    assert found is not None
    assert (found.version, found.concurrency) == ("v1", 2)
    assert registry.workflow("orders") is found
    assert (registry.owner("orders"), registry.owner("returns")) == (None, "shop")
    with pytest.raises(WorkflowNotFound, match="'shop' no longer declares workflow 'orders'") as refused:
        registry.declared("orders")
    assert refused.value.hint is not None
    registry.activate(build(entry("orders"), version="v3"))
    assert registry.declared("orders").version == "v3"


def test_a_retired_workflow_may_be_taken_over_by_another_worker():
    registry = Registry()
    registry.activate(build(entry("orders"), version="v1"))
    registry.activate(build(version="v2"))
    registry.activate(build(entry("orders"), version="m1", worker="market"))
    assert registry.owner("orders") == "market"
    registry.activate(build(version="v3"))
    assert registry.owner("orders") == "market", "it is no longer the shop's to retire"


def test_a_workflow_that_was_retired_before_the_start_can_be_added():
    registry = Registry()
    registry.activate(build(entry("returns"), version="v2"))
    before = build(entry("orders"), version="v1", at=1).described
    registry.retire(before, entry("orders", limit=5), since=1)
    orders = registry.workflow("orders")
    assert (orders.version, orders.concurrency, orders.created_at) == ("v1", 5, 1)
    assert registry.owner("orders") is None


def test_the_one_version_of_a_dev_session_has_only_what_its_code_has_now():
    registry = Registry()
    registry.activate(build(entry("orders"), entry("returns"), version="dev"))
    registry.activate(build(entry("returns"), version="dev"))
    assert [one.name for one in registry.workflows()] == ["returns"]
    with pytest.raises(WorkflowNotFound, match="there is no workflow 'orders'"):
        registry.workflow("orders")


def test_a_dev_session_whose_worker_gets_another_name_has_one_worker():
    registry = Registry()
    registry.activate(build(entry("orders"), version="dev", worker="shop"))
    registry.activate(build(entry("orders"), version="dev", worker="market"))
    assert list(registry.current) == ["market"]
    assert registry.workflow("orders").script_name == "market"


def test_an_unknown_workflow_is_refused_with_the_names_there_are():
    registry = Registry()
    with pytest.raises(WorkflowNotFound) as refused:
        registry.workflow("orders")
    assert refused.value.hint == "there are: none"
    registry.activate(build(entry("orders"), entry("returns"), version="v1"))
    with pytest.raises(WorkflowNotFound) as refused:
        registry.declared("order")
    assert refused.value.hint == "there are: orders, returns"


# -- two versions that are live --------------------------------------------------------------------------

LOW = next(f"o{number}" for number in range(1_000) if point("shop", f"o{number}") < 50)
HIGH = next(f"o{number}" for number in range(1_000) if point("shop", f"o{number}") > 50)


def half() -> Registry:
    """Have v1 and v2 live, each for a half; only the older one has `returns`, only the newer `refunds`."""
    registry = Registry()
    v1 = build(entry("orders", limit=1), entry("returns"), version="v1", at=1)
    registry.activate(v1)
    v2 = build(entry("orders", limit=2), entry("refunds"), version="v2", at=2)
    registry.activate(v2, beside=Beside(build=v1, percentage=50))
    return registry


def test_an_instance_gets_the_version_of_its_id_and_the_main_one_has_the_upper_end():
    registry = half()
    orders = registry.declared("orders")
    assert [registry.version_of(orders, id_) for id_ in (LOW, HIGH)] == ["v1", "v2"]
    assert [registry.choose("shop", place).version for place in (0, 49.99, 50, 99.99)] == [
        "v1",
        "v1",
        "v2",
        "v2",
    ]


def test_workflows_and_their_settings_follow_the_main_version():
    registry = half()
    orders = registry.declared("orders")
    assert (orders.version, orders.concurrency, orders.created_at) == ("v2", 2, 1)
    with pytest.raises(WorkflowNotFound, match="no longer declares workflow 'returns'"):
        registry.declared("returns")


def test_a_workflow_that_only_one_of_two_versions_declares_runs_on_that_one():
    registry = half()
    refunds = registry.declared("refunds")
    assert [registry.version_of(refunds, id_) for id_ in (LOW, HIGH)] == ["v2", "v2"]
    returns = registry.workflow("returns")
    assert [registry.version_of(returns, id_) for id_ in (LOW, HIGH)] == ["v1", "v1"]


def test_a_workflow_that_the_main_version_lost_begins_on_the_one_that_is_live_and_has_it():
    registry = half()
    registry.activate(build(entry("orders"), entry("returns"), version="v3", at=3))
    v1 = build(entry("orders"), entry("returns"), version="v1", at=1)
    registry.activate(build(entry("orders"), version="v4", at=4), beside=Beside(build=v1, percentage=50))
    returns = registry.workflow("returns")
    assert returns.version == "v3"
    assert {registry.version_of(returns, id_) for id_ in (LOW, HIGH)} == {"v1"}


def test_all_live_versions_are_named_and_one_alone_is_live_after_it():
    registry = half()
    assert set(registry.live()) == {"v1", "v2"}
    assert set(registry.builds) == {"v1", "v2"}
    registry.activate(build(entry("orders"), version="v3"))
    assert registry.live() == ["v3"]
    assert registry.version_of(registry.declared("orders"), LOW) == "v3"


def test_what_is_live_beside_one_worker_is_of_no_matter_to_another():
    registry = half()
    registry.activate(build(entry("posts"), version="b1", worker="blog"))
    assert registry.version_of(registry.declared("posts"), LOW) == "b1"
    assert registry.choose("blog").version == "b1"


def test_a_workflow_has_the_rules_of_its_admission():
    registry = Registry()
    rules = Admission(key="customer.id", per_key=2, start_rate=0.5, creation_rate=9.0)
    registry.activate(build(entry("orders", admission=rules), entry("returns"), version="v1"))
    orders, returns = registry.workflows()
    assert (orders.concurrency_key, orders.per_key) == ("customer.id", 2)
    assert (orders.start_rate, orders.creation_rate) == (0.5, 9.0)
    assert (returns.concurrency_key, returns.per_key, returns.start_rate) == (None, None, None)

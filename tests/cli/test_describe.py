from __future__ import annotations

import json

import pytest

WORKFLOW = "/accounts/local/workflows/shop"
INSTANCE = f"{WORKFLOW}/instances/latest"
FOUND: dict[str, object] = {
    "id": "order-1",
    "status": "complete",
    "params": None,
    "trigger": {"source": "api"},
    "versionId": "v7",
    "queued": "2026-11-22T12:00:00.000Z",
    "start": "2026-11-22T12:00:00.000Z",
    "end": "2026-11-22T12:00:01.000Z",
    "success": True,
    "error": None,
    "output": "x" * 6_000,
    "rollback": None,
    "step_count": 0,
    "steps": [],
}


@pytest.fixture
def workflow():
    return {
        "id": "shop",
        "name": "shop",
        "script_name": "shop-worker",
        "class_name": "Shop",
        "created_on": "2026-11-22T12:00:00.000Z",
        "modified_on": "2026-11-22T12:00:00.000Z",
        "instances": {"queued": 0, "running": 3, "complete": 1200},
    }


def test_a_workflow_is_described_with_its_instances_by_status(wflow, logged_in, workflow):
    logged_in.gives("GET", WORKFLOW, workflow)
    ran = wflow("workflows", "describe", "shop")
    assert (ran.code, ran.err) == (0, "")
    assert "Class Name:   Shop\n" in ran.out
    assert "Instances:\n  running:   3\n  complete:  1,200\n" in ran.out
    assert "queued" not in ran.out


def test_a_workflow_as_json_is_what_the_api_says(wflow, logged_in, workflow):
    logged_in.gives("GET", WORKFLOW, workflow)
    assert json.loads(wflow("workflows", "describe", "shop", "--json").out) == workflow


def test_an_instance_is_the_latest_unless_it_is_named(wflow, logged_in):
    logged_in.gives("GET", INSTANCE, FOUND)
    ran = wflow("workflows", "instances", "describe", "shop")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Instance order-1 of shop:\n")
    assert "x[...output truncated]\n" in ran.out


def test_the_output_is_printed_up_to_a_limit_or_not_at_all(wflow, logged_in):
    logged_in.gives("GET", INSTANCE, FOUND)
    describe = ("workflows", "instances", "describe", "shop", "latest")
    assert '"xxx[...' in wflow(*describe, "--truncate-output-limit", "4").out
    assert "Output" not in wflow(*describe, "--no-step-output").out


def test_an_instance_as_json_is_what_the_api_says(wflow, logged_in):
    logged_in.gives("GET", INSTANCE, FOUND)
    assert json.loads(wflow("workflows", "instances", "describe", "shop", "--json").out) == FOUND


def test_what_is_not_there_is_told_in_the_runners_words(wflow, logged_in):
    logged_in.refuses("GET", INSTANCE, 404, code=10400, message="there is no instance", hint="look elsewhere")
    ran = wflow("workflows", "instances", "describe", "shop")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err == "error: there is no instance\n\nhint: look elsewhere\n"


def test_a_workflow_is_described_with_its_limits(wflow, logged_in, workflow):
    workflow["concurrency"] = {"limit": 50_000, "key": "customer.id", "per_key": 2, "rate": "300/s"}
    workflow["limits"] = {"steps": 10_000, "creations": "1000/s"}
    logged_in.gives("GET", WORKFLOW, workflow)
    out = wflow("workflows", "describe", "shop").out
    assert "Running At Once:  50,000\n" in out
    assert "Running Per Key:  2 with the same params.customer.id\n" in out
    assert "Start Rate:       300/s\n" in out
    assert "Creation Rate:    1000/s\n" in out


def test_an_instance_is_described_with_its_priority_and_key(wflow, logged_in):
    logged_in.gives("GET", INSTANCE, {**FOUND, "priority": 1, "concurrency_key": "ann"})
    out = wflow("workflows", "instances", "describe", "shop").out
    told = dict(line.strip().split(":", 1) for line in out.splitlines() if ":" in line)
    assert (told["Priority"].strip(), told["Concurrency Key"].strip()) == ("1", "ann")

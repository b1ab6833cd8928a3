from __future__ import annotations

import json
from pathlib import Path

import pytest

INSTANCES = "/accounts/local/workflows/shop/instances"
DELETE = ("workflows", "instances", "delete", "shop")


@pytest.fixture
def deleting(logged_in):
    """A runner that deletes what it is told to, each time the same."""

    def gives(*ids, errors=()):
        answer = {"deleted": [{"id": id_} for id_ in ids], "errors": [*errors]}
        logged_in.gives("POST", f"{INSTANCES}/batch/delete", answer)
        return logged_in

    return gives


def test_instances_are_deleted(wflow, deleting):
    runner = deleting("a", "b")
    ran = wflow(*DELETE, "a", "b")
    assert (ran.code, ran.out, ran.err) == (0, 'Deleted workflow instances from "shop": "a", "b"\n', "")
    assert runner.asked[-1].json == {"instances": ["a", "b"]}


def test_the_latest_is_asked_for_first(wflow, deleting):
    runner = deleting("order-9", "a")
    runner.gives("GET", f"{INSTANCES}/latest", {"id": "order-9"})
    assert wflow(*DELETE, "latest", "a").code == 0
    assert runner.asked[-1].json == {"instances": ["order-9", "a"]}


def test_ids_come_from_a_file_too_and_a_hundred_go_at_a_time(wflow, deleting):
    runner = deleting("x")
    Path("ids.json").write_text(json.dumps([f"i{number}" for number in range(200)]), encoding="utf-8")
    ran = wflow(*DELETE, "first", "--filename", "ids.json", "--json")
    assert (ran.code, json.loads(ran.out)) == (0, {"deleted": [{"id": "x"}] * 3, "errors": []})
    sizes = [len(asked.json["instances"]) for asked in runner.asked]
    assert sizes == [100, 100, 1]
    assert runner.asked[0].json["instances"][:2] == ["first", "i0"]


@pytest.mark.parametrize("json_", [(), ("--json",)])
def test_what_could_not_be_deleted_is_listed_and_ends_with_1(wflow, deleting, json_):
    deleting("a", errors=[{"id": "b", "code": 10400, "message": "there is no instance 'b'"}])
    ran = wflow(*DELETE, "a", "b", *json_)
    assert ran.code == 1
    assert '"a"' in ran.out
    assert ran.err == "error: 1 instance could not be deleted:\n  - b: there is no instance 'b'\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "error: cannot read `ids.json`: "),
        ("[", "error: cannot read `ids.json` as JSON: "),
        ('{"a": 1}', "error: `ids.json` has no array of ids"),
        ("[1]", "error: `ids.json` has no array of ids"),
    ],
)
def test_a_file_without_ids_deletes_nothing(wflow, logged_in, text, said):
    if text is not None:
        Path("ids.json").write_text(text, encoding="utf-8")
    ran = wflow(*DELETE, "a", "--filename", "ids.json")
    assert (ran.code, ran.out, logged_in.asked) == (1, "", [])
    assert ran.err.startswith(said)


def test_nobody_named_is_nobody_deleted(wflow, logged_in):
    ran = wflow(*DELETE)
    assert (ran.code, logged_in.asked) == (1, [])
    assert ran.err.startswith("error: no instance is named")

"""What the binding tells: a test for each feature from C14 on of the table, named after its id."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.stories.featured import Bound, moment, open_project, open_site

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.featured import Shown

MIB = 1024 * 1024
ATTEMPTED = ("step_started", "attempt_started", "attempt_completed", "step_completed")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bound]:
    with open_site(open_project(tmp_path_factory.mktemp("binding"), "binding")) as site:
        yield Bound(site.world, site.session, site.api)


def test_c14_subscribers_get_what_was_and_then_what_happens_until_the_end(site: Bound):
    path = site.order("c14", 7)
    with ThreadPoolExecutor() as pool:
        live = pool.submit(site.call, f"{path}/subscribe")
        site.paid("c14")
        events = live.result(30)
    assert events == site.call(f"{path}/subscribe"), "the same, whenever it is asked"
    types = [each["type"] for each in events]
    assert {"workflow_running", "workflow_waiting"} <= set(types)
    assert [type_ for type_ in types if type_ not in {"workflow_running", "workflow_waiting"}] == [
        "workflow_queued",
        "workflow_started",
        *ATTEMPTED,
        "wait_started",
        "wait_completed",
        "sleep_started",
        "sleep_completed",
        *ATTEMPTED,
        "workflow_completed",
    ]
    assert [each["eventId"] for each in events] == sorted({each["eventId"] for each in events})
    assert {each["instanceId"] for each in events} == {"c14"}
    assert (events[1]["params"], events[-1]["output"]["paid"]) == (7, "cash")


def test_c14_subscribers_go_on_from_a_cursor_and_filter_by_type(site: Bound):
    path = site.order("c14-filter")
    site.paid("c14-filter")
    events = site.call(f"{path}/subscribe")
    known = events[5]["eventId"]
    assert site.call(f"{path}/subscribe", {"cursor": known}) == events[6:]
    chosen = site.call(f"{path}/subscribe", {"filter": ["wait_completed", "sleep"], "cursor": known})
    assert [each["type"] for each in chosen] == ["wait_completed", "sleep_started", "sleep_completed"]
    for wrong in ({"filter": ["steps"]}, {"cursor": -1}, {"from": 1}):
        assert site.refusal(f"{path}/subscribe", wrong)["name"] == "InvalidInput"


def test_c15_instances_are_listed_the_newest_first_page_by_page(site: Bound):
    ids = [f"c15-{number}" for number in range(5)]
    for id_ in ids:
        site.call("TAGGED/create", {"id": id_, "params": [], "tags": ["c15"]})
        site.until("waiting", "tagged", id_)
    found: list[Shown] = []
    cursor = None
    while cursor is not None or not found:
        page = site.call("TAGGED/list", {"limit": 2, "cursor": cursor})
        assert len(page["instances"]) <= 2
        found += page["instances"]
        cursor = page["cursor"]
    mine = [each["id"] for each in found if each["id"] in ids]
    assert mine == ids[::-1]
    oldest = site.call("TAGGED/list", {"newest_first": False, "limit": 100})["instances"]
    assert [each["id"] for each in oldest if each["id"] in ids] == ids
    site.call("TAGGED/c15-0/terminate")
    ended = site.call("TAGGED/list", {"status": "terminated"})["instances"]
    assert [each["id"] for each in ended] == ["c15-0"]
    assert ended[0]["status"] == "terminated"
    assert moment(ended[0]["createdOn"]) <= moment(ended[0]["endedOn"])
    for wrong in ({"status": "lost"}, {"limit": 0}, {"limit": 101}, {"cursor": "x"}):
        assert site.refusal("TAGGED/list", wrong)["name"] == "InvalidInput"


def test_c16_lists_are_filtered_by_the_tags_that_creators_and_code_give(site: Bound):
    for id_, tags in (("c16-a", ["red"]), ("c16-b", ["red", "round"]), ("c16-c", [])):
        site.call("TAGGED/create", {"id": id_, "params": ["by-code", *tags], "tags": ["by-creator", *tags]})
        site.until("waiting", "tagged", id_)
    red = site.call("TAGGED/list", {"tag": "red"})["instances"]
    assert [each["id"] for each in red] == ["c16-b", "c16-a"]
    assert red[0]["tags"] == ["by-code", "red", "round", "customer:smith"]
    assert site.call("TAGGED/list", {"tag": "by-creator"})["instances"] == [], "the code replaced it"
    assert [each["id"] for each in site.call("TAGGED/list", {"tag": "round"})["instances"]] == ["c16-b"]
    assert site.call("TAGGED/c16-b/status", {})["tags"] == red[0]["tags"]


def test_c17_the_result_of_an_instance_is_waited_for(site: Bound):
    path = site.order("c17")
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(site.call, f"{path}/result", "1 minute")
        assert site.refusal(f"{path}/result", 50)["message"] == "Execution timed out after 50ms"
        output = site.paid("c17")["output"]
        assert waiting.result(30) == output
    assert site.call(f"{path}/result") == output, "long after the end, too"
    failed = site.order("c17-failed")
    site.paid("c17-failed", "nothing")
    refused = site.refusal(f"{failed}/result")
    assert (refused["name"], refused["message"]) == ("NonRetryableError", "not paid")
    ended = site.order("c17-ended")
    site.call(f"{ended}/terminate")
    assert site.refusal(f"{ended}/result")["name"] == "InstanceTerminated"


def test_c21_what_is_refused_is_an_error_of_a_class_with_a_code(site: Bound):
    path = site.order("c21")
    site.paid("c21")
    refused = [
        site.refusal("ORDER/create", {"id": "c21"}),
        site.refusal("ORDER/get", "c21-not"),
        site.refusal(f"{path}/send_event", {"type": "paid"}),
        site.refusal(f"{path}/terminate"),
        site.refusal(f"{path}/restart", {"from": "refund"}),
        site.refusal("ORDER/create", {"id": "-no"}),
        site.refusal("ORDER/create", {"params": "x" * (MIB + 1)}),
    ]
    assert [(each["name"], each["code"]) for each in refused] == [
        ("InstanceExists", 10405),
        ("InstanceNotFound", 10400),
        ("InstanceEnded", 10402),
        ("InstanceEnded", 10402),
        ("WrongMove", 10402),
        ("InvalidInput", 10026),
        ("TooLarge", 10413),
    ]

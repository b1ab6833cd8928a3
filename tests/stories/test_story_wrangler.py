"""Cloudflare's own command line drives a dev session: the real wrangler, and what a person sees of it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.processes import World, wait_for
from tests.stories.wrangling import Wrangler, labelled, need_wrangler

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Person(Wrangler):
    """One who has other ways, too, to begin an instance and to see how it goes."""

    def begin(self, workflow: str, id_: str, **params: object) -> None:
        """Create an instance in a quicker way."""
        path = f"/client/v4/accounts/local/workflows/{workflow}/instances"
        made = self.session.ask("POST", path, json={"instance_id": id_, "params": params})
        assert made.status_code == 200, made.text

    def comes_to(self, status: str, workflow: str, id_: str) -> None:
        """Wait until an instance has a status."""
        path = f"/client/v4/accounts/local/workflows/{workflow}/instances/{id_}?simple=true"
        wait_for(lambda: self.session.ask("GET", path).json()["result"]["status"] == status, status)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("wrangler")).open_shop()


@pytest.fixture(scope="module")
def wrangler(shop: World) -> Iterator[Person]:
    need_wrangler()
    with shop.dev() as session:
        yield Person.at(shop, session)


def rows(said: str) -> list[list[str]]:
    """Read the table in what wrangler says, without its head."""
    lines = [line for line in said.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines[1:]]


def described(said: str) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Read what wrangler says of an instance, and of each of its steps."""
    instance, heading, steps = said.partition("Steps:\n")
    assert heading
    return labelled(instance), [
        labelled(step) for step in re.split(r"(?=^ +Name:)", steps, flags=re.MULTILINE)[1:]
    ]


def test_workflows_are_listed_and_one_is_described(wrangler: Person):
    listed = wrangler("workflows", "list")
    assert "Showing 4 workflows from page 1:" in listed
    assert sorted(row[:3] for row in rows(listed)) == [
        ["clumsy", "shop", "Clumsy"],
        ["counting", "shop", "Counting"],
        ["gated", "shop", "Gated"],
        ["patient", "shop", "Patient"],
    ]
    workflow, heading, version = wrangler("workflows", "describe", "patient").partition("Latest Version:")
    assert heading
    told = labelled(workflow)
    assert (told["Name"], told["Script Name"], told["Class Name"]) == ("patient", "shop", "Patient")
    assert labelled(version)["Id"] == "dev"


def test_instances_are_listed_by_status_and_page_by_page(wrangler: Person):
    for number in range(3):
        wrangler.begin("counting", f"count-{number}", steps=1)
        wrangler.comes_to("complete", "counting", f"count-{number}")
    listed = wrangler("workflows", "instances", "list", "counting", "--status", "complete")
    assert "Showing 3 instances from page 1:" in listed
    assert [(id_, version, status) for id_, version, *_, status in rows(listed)] == [
        (f"count-{number}", "dev", "✅ Completed") for number in (2, 1, 0)
    ]
    paged = wrangler("workflows", "instances", "list", "counting", "--per-page", "2", "--page", "2")
    assert "Showing 1 instance from page 2:" in paged
    assert [row[0] for row in rows(paged)] == ["count-0"]


def test_an_instance_is_triggered_and_sent_what_it_waits_for(wrangler: Person):
    triggered = wrangler("workflows", "trigger", "patient", '{"from": "wrangler"}')
    found = re.search(r'🚀 Workflow instance "(\S+)" has been queued successfully', triggered)
    assert found, triggered
    id_ = found[1]
    wrangler.comes_to("waiting", "patient", id_)

    instance, steps = described(wrangler("workflows", "instances", "describe", "patient"))
    assert (instance["Instance Id"], instance["Version Id"]) == (id_, "dev")
    assert (instance["Status"], instance["Trigger"]) == ("⏰ Waiting", "🌎 API")
    assert instance["Last Successful Step"] == "before-1"
    assert [(step["Name"], step["Type"]) for step in steps] == [
        ("before-1", "🎯 Step"),
        ("go-1", "👀 Waiting for event"),
    ]
    assert (steps[0]["Success"], steps[0]["Output"]) == ("✅ Yes", '"one"')

    payload = '{"paid": true}'
    sent = wrangler(
        "workflows", "instances", "send-event", "patient", "latest", "--type", "go", "--payload", payload
    )
    assert f'📤 The event with type "go" and payload "{payload}" was sent to the instance "{id_}"' in sent
    wrangler.comes_to("complete", "patient", id_)
    told: dict[str, Any] = json.loads(
        wrangler("workflows", "instances", "describe", "patient", id_, "--json")
    )
    assert told["params"] == {"from": "wrangler"}
    assert (told["status"], told["output"]) == ("complete", ["one", {"paid": True}, "one"])


def test_an_instance_is_paused_and_goes_on_when_it_is_resumed(wrangler: Person, shop: World):
    wrangler.begin("patient", "paused")
    wrangler.comes_to("waiting", "patient", "paused")
    instances = ("workflows", "instances")
    said = wrangler(*instances, "pause", "patient", "paused")
    assert 'The instance "paused" from patient was paused successfully' in said
    wrangler.comes_to("paused", "patient", "paused")
    listed = rows(wrangler(*instances, "list", "patient", "--status", "paused"))
    assert [(row[0], row[-1]) for row in listed] == [("paused", "⏸️ Paused")]

    wrangler(*instances, "send-event", "patient", "paused", "--type", "go")
    assert "paused after" not in shop.effects
    said = wrangler(*instances, "resume", "patient", "paused")
    assert 'The instance "paused" from patient was resumed successfully' in said
    wrangler.comes_to("complete", "patient", "paused")
    assert shop.effects.count("paused before") == 1


def test_an_instance_is_terminated(wrangler: Person, shop: World):
    wrangler.begin("patient", "ended")
    wrangler.comes_to("waiting", "patient", "ended")
    said = wrangler("workflows", "instances", "terminate", "patient", "ended")
    assert 'The instance "ended" from patient was terminated successfully' in said
    instance, _ = described(wrangler("workflows", "instances", "describe", "patient", "ended"))
    assert (instance["Status"], instance["Success"]) == ("🚫 Terminated", "❌ No")
    assert "ended after" not in shop.effects


def test_an_instance_is_restarted_from_its_start_and_from_a_step(wrangler: Person, shop: World):
    wrangler.begin("patient", "again")
    wrangler.comes_to("waiting", "patient", "again")
    restart = ("workflows", "instances", "restart", "patient", "again")
    assert 'The instance "again" from patient was restarted successfully' in wrangler(*restart)
    wrangler.comes_to("waiting", "patient", "again")
    assert shop.effects.count("again before") == 2

    wrangler("workflows", "instances", "send-event", "patient", "again", "--type", "go")
    wrangler.comes_to("complete", "patient", "again")
    wrangler(*restart, "--from-step-name", "go", "--from-step-type", "waitForEvent")
    wrangler.comes_to("waiting", "patient", "again")
    assert shop.effects.count("again before") == 2
    assert shop.effects.count("again after") == 1


def test_what_is_refused_is_said_with_its_number(wrangler: Person):
    wrangler.begin("patient", "taken")
    refused = wrangler.run("workflows", "trigger", "patient", "--id", "taken")
    assert refused.code == 1
    assert "workflow 'patient' has an instance 'taken' already" in refused.err
    assert "[code: 10405]" in refused.err
    refused = wrangler.run("workflows", "instances", "describe", "patient", "nobody")
    assert refused.code == 1
    assert "[code: 10400]" in refused.err

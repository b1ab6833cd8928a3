"""Secrets over HTTP: set, listed, deleted; never told."""

from __future__ import annotations

import pytest

from tests.server.small_host import problem, result
from wflow.errors import InvalidInput, WorkerNotFound
from wflow.server import tokens
from wflow.server.auth import TokenAuth
from wflow.server.front import RUNNER

AT = "/workers/scripts/shop/secrets"
VALUE = "hunter2"


class SmallSecrets:
    """Keeps them in a dict."""

    def __init__(self):
        self.kept: dict[str, dict[str, str]] = {}

    async def find(self, worker, now):
        assert now
        return sorted(self.kept.get(worker, {}))

    async def change(self, worker, secrets, now):
        assert now
        kept = self.kept.setdefault(worker, {})
        for name, text in secrets.items():
            kept.pop(name, None)
            if text is not None:
                kept[name] = text

    async def delete(self, worker, name, now):
        if name not in await self.find(worker, now):
            raise InvalidInput("there is none")
        await self.change(worker, {name: None}, now)


@pytest.fixture
def kept(house):
    house.host.secrets = SmallSecrets()
    return house.host.secrets.kept


def secret(name, text=VALUE):
    return {"name": name, "text": text, "type": "secret_text"}


def test_a_secret_is_set_and_told_by_its_name_only(house, kept):
    answer = house.api("PUT", AT, json=secret("KEY"))
    assert result(answer) == {"name": "KEY", "type": "secret_text"}
    assert kept == {"shop": {"KEY": VALUE}}
    assert result(house.api("GET", AT)) == [{"name": "KEY", "type": "secret_text"}]
    assert result(house.api("GET", f"{AT}/KEY")) == {"name": "KEY", "type": "secret_text"}
    assert VALUE not in answer.text


def test_a_secret_is_deleted_once(house, kept):
    kept["shop"] = {"KEY": VALUE}
    assert result(house.api("DELETE", f"{AT}/KEY")) is None
    assert problem(house.api("DELETE", f"{AT}/KEY"))[0] == 400
    assert problem(house.api("GET", f"{AT}/KEY"))[0] == 400


@pytest.mark.parametrize("path", [AT, f"{AT}-bulk"])
def test_several_are_changed_at_once(house, kept, path):
    kept["shop"] = {"A": "1", "B": "2", "C": "3"}
    body = {"secrets": {"A": secret("A", "new"), "B": None, "D": {"text": "4", "type": "secret_text"}}}
    told = result(house.api("PATCH", path, json=body))
    assert told == {name: {"name": name, "type": "secret_text"} for name in ("A", "C", "D")}
    assert kept == {"shop": {"A": "new", "C": "3", "D": "4"}}


def test_the_last_secret_of_a_worker_that_is_yet_to_come_can_be_deleted(house, kept):
    async def find(_worker, _now):
        raise WorkerNotFound("there is no Worker")

    kept["shop"] = {"A": "1"}
    house.host.secrets.find = find
    assert result(house.api("PATCH", AT, json={"secrets": {"A": None}})) == {}
    assert kept == {"shop": {}}


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("PUT", None),
        ("PUT", []),
        ("PUT", {}),
        ("PUT", {"name": "KEY", "text": VALUE, "type": "secret_key"}),
        ("PUT", {"name": "KEY", "text": {VALUE: 1}}),
        ("PUT", {"name": "KEY", "text": VALUE, "more": 1}),
        ("PUT", {"name": 5, "text": VALUE}),
        ("PATCH", {"secrets": [VALUE]}),
        ("PATCH", {"secrets": {"KEY": VALUE}}),
        ("PATCH", {"secrets": {"KEY": secret("OTHER")}}),
        ("PATCH", {"secrets": {"A": secret("A"), "KEY": {"text": 5}}}),
    ],
)
def test_what_makes_no_sense_changes_nothing_and_is_not_shown(house, kept, method, body):
    answer = house.api(method, AT, json=body)
    assert problem(answer)[:2] == (400, 10026)
    assert VALUE not in answer.text
    assert kept == {}


def test_whoever_may_only_read_sets_nothing(house, kept):
    house.open(TokenAuth(store=house.host.store, now=house.host.now), RUNNER)
    _, text = house.run(tokens.create(house.host.store, "eye", "read", now=house.host.now()))
    headers = {"authorization": f"Bearer {text}"}
    assert problem(house.api("PUT", AT, json=secret("KEY"), headers=headers))[0] == 403
    assert problem(house.api("DELETE", f"{AT}/KEY", headers=headers))[0] == 403
    assert result(house.api("GET", AT, headers=headers)) == []
    assert kept == {}

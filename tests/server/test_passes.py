"""Passes: signed, short-lived, for one thing."""

from __future__ import annotations

import re

import pytest
from starlette.requests import Request

from wflow.errors import Forbidden, Unauthorized
from wflow.server import passes
from wflow.server.auth import Caller
from wflow.server.passes import PASS_S, Passing

NOBODY = Unauthorized("no token was given")


class Policy:
    """Another policy, which says what a test says."""

    def __init__(self, answer):
        self.answer = answer

    async def admit(self, request):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Clock:
    """A host that has a store and the time of a test."""

    def __init__(self, store):
        self.store = store
        self.at = 1_000_000

    def now(self):
        return self.at


@pytest.fixture
def clock(house):
    return Clock(house.host.store)


def asked(token, *, id_="a", workflow="orders", path="/x/subscribe", socket=True):
    scope = {
        "type": "http",
        "path": path,
        "headers": [],
        "query_string": f"token={token}".encode(),
        "path_params": {"workflow": workflow, "id": id_},
    }
    return Request({**scope, "wflow.socket": object()} if socket else scope)


def let_in(house, clock, request, answer=NOBODY):
    passing = Passing(auth=Policy(answer), host=clock)
    try:
        return house.run(passing.admit(request))
    except Unauthorized:
        return None


def test_a_pass_lets_in_to_read_until_it_expires(house, clock):
    text, expires_at = house.run(passes.make(clock.store, "orders", "a", now=clock.at))
    assert expires_at == clock.at + PASS_S * 1_000
    assert let_in(house, clock, asked(text)) == Caller(id="pass", name="pass", scope="read")
    clock.at = expires_at - 1
    assert let_in(house, clock, asked(text)) is not None
    clock.at = expires_at
    assert let_in(house, clock, asked(text)) is None


def test_a_pass_is_of_no_use_for_anything_else(house, clock):
    text, expires_at = house.run(passes.make(clock.store, "orders", "a", now=clock.at))
    later = text.replace(str(expires_at), str(expires_at + 1))
    assert later != text
    for request in (
        asked(text, id_="b"),
        asked(text, workflow="returns"),
        asked(text, path="/x/subscribe/token"),
        asked(text, socket=False),
        asked(later),
        asked(""),
        asked("wfs_1_x"),
        asked(text + "A"),
    ):
        assert let_in(house, clock, request) is None


def test_before_the_first_pass_none_is_good(house, clock):
    assert let_in(house, clock, asked(f"wfs_9999999999999_{'A' * 43}")) is None


def test_passes_share_a_key_that_stays(house, clock):
    one, _ = house.run(passes.make(clock.store, "orders", "a", now=clock.at))
    same, _ = house.run(passes.make(clock.store, "orders", "a", now=clock.at))
    assert one == same
    assert re.fullmatch(r"wfs_[0-9]+_[A-Za-z0-9_-]{43}", one)


def test_whom_the_other_policy_lets_in_needs_none_and_whom_it_forbids_gets_no_further(house, clock):
    reader = Caller(id="1", name="me", scope="admin")
    assert let_in(house, clock, asked(""), reader) is reader
    text, _ = house.run(passes.make(clock.store, "orders", "a", now=clock.at))
    with pytest.raises(Forbidden):
        let_in(house, clock, asked(text), Forbidden("not from there"))

"""Who may use the API."""

from __future__ import annotations

import pytest

from tests.server.small_host import API, problem, result
from wflow.server import tokens
from wflow.server.auth import LoopbackAuth, TokenAuth
from wflow.server.front import RUNNER

STRANGER = ("203.0.113.7", 50_000)


@pytest.fixture
def runner(house):
    """A house that wants tokens."""
    house.open(TokenAuth(store=house.host.store, now=house.host.now), RUNNER, peer=STRANGER)
    return house


def bearer(house, scope, name="t"):
    _, text = house.run(tokens.create(house.host.store, name, scope, now=house.host.now()))
    return {"authorization": f"Bearer {text}"}


def test_without_a_token_nothing_is_done(runner):
    answer = runner.api("POST", "/workflows/orders/instances", json={"id": "a"})
    assert problem(answer)[:2] == (401, 10000)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert runner.run(runner.host.store.find("orders")) == []


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer nonsense",
        "Bearer wf_0123456789abcdef_" + "A" * 43,
        "Basic d2Y6d2Y=",
        "Bearer wf__",
        "Bearer \xff\xfe",
    ],
)
def test_a_wrong_token_is_as_good_as_none(runner, header):
    answer = runner.api("GET", "/workflows", headers={"authorization": header.encode("latin-1")})
    assert problem(answer)[:2] == (401, 10000)


def test_another_tokens_secret_does_not_fit(runner):
    one, other = (bearer(runner, "read", name)["authorization"] for name in ("one", "other"))
    mixed = "_".join([*one.split("_")[:2], other.split("_", 2)[2]])
    assert problem(runner.api("GET", "/workflows", headers={"authorization": mixed}))[0] == 401


def test_a_good_token_is_let_in_however_its_scheme_is_spelt(runner):
    header = bearer(runner, "read")["authorization"].replace("Bearer", "bEARER")
    assert result(runner.api("GET", "/workflows", headers={"authorization": header}))


def test_a_revoked_token_is_of_no_use_at_once(runner):
    header = bearer(runner, "admin")
    result(runner.api("GET", "/workflows", headers=header))
    runner.run(tokens.revoke(runner.host.store, "t", now=runner.host.now()))
    assert problem(runner.api("GET", "/workflows", headers=header))[:2] == (401, 10000)


def test_a_wrong_scope_is_refused_and_nothing_is_done(runner):
    header = bearer(runner, "read")
    answer = runner.api("POST", "/workflows/orders/instances", json={"id": "a"}, headers=header)
    status, code, message = problem(answer)
    assert (status, code) == (403, 9109)
    assert "this needs deploy" in message
    assert runner.run(runner.host.store.find("orders")) == []


def test_a_scope_includes_those_below_it(runner):
    reader, deployer, admin = (bearer(runner, scope, scope) for scope in ("read", "deploy", "admin"))
    doors = {
        "/workflows": [200, 200, 200],
        "/tokens": [403, 403, 200],
    }
    for path, statuses in doors.items():
        got = [runner.api("GET", path, headers=header).status_code for header in (reader, deployer, admin)]
        assert got == statuses


def test_the_token_is_looked_at_before_the_body(runner):
    async def body():
        yield b"{}"
        pytest.fail("the body was read on")

    answer = runner.api("POST", "/workflows/orders/instances", content=body())
    assert problem(answer)[0] == 401


def test_a_worker_answers_without_a_token(runner):
    runner.run(runner.host.deploy("shop", b"", digest="", message="", author=""))
    assert runner.ask("GET", "/").text == "hello"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8787", "127.0.0.1:8787", "[::1]:8787", "LOCALHOST:1"]
)
def test_a_dev_session_answers_to_this_machine_without_a_token(house, host):
    assert result(house.api("GET", "/workflows", headers={"host": host}))


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8787", "localhost.evil.example", "", "::1", "10.0.0.1"]
)
def test_a_name_that_somebody_else_gave_this_machine_is_refused(house, host):
    assert problem(house.api("GET", "/workflows", headers={"host": host}))[:2] == (403, 9109)


def test_a_dev_session_answers_to_a_name_it_is_bound_to(house):
    house.open(LoopbackAuth(names=frozenset({"dev.test"})))
    assert result(house.api("GET", "/workflows", headers={"host": "dev.test:8787"}))


@pytest.mark.parametrize("peer", ["203.0.113.7", "10.0.0.1", "::ffff:203.0.113.7", "2001:db8::1", "garbage"])
def test_another_machine_is_refused(house, peer):
    house.open(LoopbackAuth(), peer=(peer, 50_000))
    assert problem(house.api("GET", "/workflows"))[:2] == (403, 9109)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
def test_every_loopback_address_is_this_machine(house, peer):
    house.open(LoopbackAuth(), peer=(peer, 50_000))
    assert result(house.api("GET", "/workflows"))


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded"])
def test_who_comes_through_a_proxy_is_not_on_this_machine(house, header):
    assert problem(house.api("GET", "/workflows", headers={header: "for=203.0.113.7"}))[0] == 403


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://localhost:1234",
        "https://localhost:8787",
        "http://127.0.0.1:8787",
    ],
)
def test_a_page_of_another_origin_is_refused_and_nothing_is_done(house, origin):
    headers = {"host": "localhost:8787", "origin": origin}
    answer = house.api("POST", "/workflows/orders/instances", json={"id": "a"}, headers=headers)
    assert problem(answer)[:2] == (403, 9109)
    assert house.run(house.host.store.find("orders")) == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_an_image_in_a_page_of_another_origin_asks_in_vain_though_it_has_no_origin(house, site):
    headers = {"host": "localhost:8787", "sec-fetch-site": site}
    assert problem(house.api("GET", "/workflows", headers=headers))[:2] == (403, 9109)


@pytest.mark.parametrize("site", ["same-origin", "none"])
def test_a_page_of_its_own_may_use_it(house, site):
    headers = {"host": "localhost:8787", "origin": "http://localhost:8787", "sec-fetch-site": site}
    assert result(house.api("GET", "/workflows", headers=headers))


def test_a_worker_is_nobodys_business_but_its_own(house):
    house.open(LoopbackAuth(), peer=STRANGER)
    assert (
        house.ask("GET", "/", headers={"origin": "https://shop.example", "host": "a.example"}).text == "hello"
    )


@pytest.mark.parametrize(
    ("server", "status"),
    [(("/run/wflow.sock", None), 200), (None, 200), (("127.0.0.1", 8787), 403)],
)
def test_without_a_peer_only_a_unix_socket_is_this_machine(house, server, status):
    assert house.run(statuses_of(house, server)) == [status]


async def statuses_of(house, server):
    from wflow.server.app import build
    from wflow.server.front import DEV

    seen = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            seen.append(message["status"])

    scope = {
        "type": "http",
        "method": "GET",
        "scheme": "http",
        "path": f"{API}/workflows",
        "raw_path": f"{API}/workflows".encode(),
        "query_string": b"",
        "headers": [(b"host", b"localhost")],
        "client": None,
        "server": server,
    }
    await build(house.host, auth=LoopbackAuth(), front=DEV)(scope, receive, send)
    return seen

"""Tokens: made, shown once, checked, revoked."""

from __future__ import annotations

import asyncio

import pytest

from tests.server.small_host import API, problem, result
from wflow.errors import InvalidInput, TooMany
from wflow.server import tokens
from wflow.server.auth import TokenAuth
from wflow.server.front import RUNNER
from wflow.stores.store import Cell


@pytest.fixture
def store(house):
    return house.host.store


def test_a_token_is_found_by_its_text(house, store):
    token, text = house.run(tokens.create(store, "ci", "deploy", now=5))
    assert text.startswith(f"wf_{token.id}_")
    assert (token.name, token.scope, token.created_at) == ("ci", "deploy", 5)
    assert house.run(tokens.find_one(store, text, now=6)) == token


def test_the_secret_is_nowhere_in_the_store(house, store, tmp_path):
    _, text = house.run(tokens.create(store, "ci", "deploy", now=5))
    secret = text.split("_", 2)[2].encode()
    kept = b"".join(file.read_bytes() for file in (tmp_path / "data").iterdir())
    assert b"ci" in kept
    assert secret not in kept


def test_no_two_tokens_are_alike(house, store):
    texts = [house.run(tokens.create(store, f"t{n}", "read", now=n))[1] for n in range(20)]
    assert len(set(texts)) == 20


@pytest.mark.parametrize("name", ["", "a" * 65, "-a", ".a", "a b", "a\n", "ü"])
def test_a_name_that_breaks_the_rule_is_refused(house, store, name):
    with pytest.raises(InvalidInput, match="a token's name is"):
        house.run(tokens.create(store, name, "read", now=5))


def test_a_name_is_given_once(house, store):
    house.run(tokens.create(store, "ci", "read", now=5))
    with pytest.raises(InvalidInput, match="exists already"):
        house.run(tokens.create(store, "ci", "admin", now=6))
    assert len(house.run(tokens.find(store, now=7))) == 1


def test_there_are_three_scopes(house, store):
    with pytest.raises(InvalidInput, match="read, deploy, admin"):
        house.run(tokens.create(store, "ci", "root", now=5))


def test_there_is_a_most_of_tokens(house, store):
    meta = b'{"id":"%s","name":"%s","scope":"read","created_at":1}'
    ids = [f"{n:016x}" for n in range(tokens.MOST)]
    cells = [
        Cell(space=tokens.SPACE, key=id_, value=b"", meta=meta % (id_.encode(), id_.encode())) for id_ in ids
    ]
    house.run(store.write(cells))
    with pytest.raises(TooMany, match="1,000"):
        house.run(tokens.create(store, "ci", "read", now=5))


def test_a_token_is_revoked_by_its_name_or_its_id(house, store):
    one, _ = house.run(tokens.create(store, "one", "read", now=1))
    two, _ = house.run(tokens.create(store, "two", "read", now=2))
    assert house.run(tokens.find(store, now=3)) == [one, two]
    assert house.run(tokens.revoke(store, "one", now=3)) == one
    assert house.run(tokens.revoke(store, two.id, now=3)) == two
    assert house.run(tokens.find(store, now=3)) == []


def test_what_is_no_token_cannot_be_revoked(house, store):
    with pytest.raises(InvalidInput, match="there is no token 'x'"):
        house.run(tokens.revoke(store, "x", now=3))


@pytest.fixture
def admin(house):
    """The headers of an admin of a house that wants tokens."""
    house.open(TokenAuth(store=house.host.store, now=house.host.now), RUNNER)
    _, text = house.run(tokens.create(house.host.store, "root", "admin", now=house.host.now()))
    return {"authorization": f"Bearer {text}"}


def test_a_token_says_whose_it_is(house, admin):
    told = result(house.ask("GET", "/client/v4/user/tokens/verify", headers=admin))
    assert (told["name"], told["scope"], told["status"]) == ("root", "admin", "active")


def test_in_a_dev_session_everybody_is_local(house):
    told = result(house.ask("GET", "/client/v4/user/tokens/verify"))
    assert told == {"id": "local", "status": "active", "name": "local", "scope": "admin"}


def test_an_admin_makes_a_token_sees_it_once_and_revokes_it(house, admin):
    made = result(house.api("POST", "/tokens", json={"name": "ci", "scope": "deploy"}, headers=admin))
    header = {"authorization": f"Bearer {made['token']}"}
    assert result(house.ask("GET", "/client/v4/user/tokens/verify", headers=header))["name"] == "ci"

    listed = result(house.api("GET", "/tokens", headers=admin))
    assert [token["name"] for token in listed] == ["root", "ci"]
    assert set(listed[1]) == {"id", "name", "scope", "created_on"}

    assert result(house.api("DELETE", "/tokens/ci", headers=admin)) == {"id": made["id"], "name": "ci"}
    assert problem(house.api("GET", "/workflows", headers=header))[0] == 401


def test_nobody_but_an_admin_makes_tokens(house, admin):
    made = result(house.api("POST", "/tokens", json={"name": "ci", "scope": "deploy"}, headers=admin))
    header = {"authorization": f"Bearer {made['token']}"}
    answer = house.api("POST", "/tokens", json={"name": "x", "scope": "admin"}, headers=header)
    assert problem(answer)[:2] == (403, 9109)


@pytest.mark.parametrize(
    "body", [[], {}, {"name": "x"}, {"name": 1, "scope": "read"}, {"name": "x", "scope": "read", "more": 1}]
)
def test_a_wish_that_is_malformed_makes_no_token(house, admin, body):
    assert problem(house.api("POST", "/tokens", json=body, headers=admin))[:2] == (400, 10026)
    assert len(result(house.api("GET", "/tokens", headers=admin))) == 1


def test_of_two_wishes_for_one_name_at_once_one_is_granted(house):
    async def both():
        wish = {"name": "ci", "scope": "read"}
        return await asyncio.gather(*(house._http.post(f"{API}/tokens", json=wish) for _ in range(5)))

    assert sorted(answer.status_code for answer in house.run(both())) == [200, 400, 400, 400, 400]

"""`wflow secret`: put, list, delete, bulk."""

from __future__ import annotations

import io
import json
import sys

import pytest

AT = "/accounts/local/workers/scripts/shop/secrets"
SHOP = ("--name", "shop")


@pytest.fixture
def pipe(monkeypatch):
    def fill(text: str) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))

    return fill


def test_a_secret_is_put_from_stdin_and_not_shown(wflow, logged_in, pipe):
    logged_in.gives("PUT", AT, {"name": "KEY", "type": "secret_text"})
    pipe("hunter2\n")
    ran = wflow("secret", "put", "KEY", *SHOP)
    assert (ran.code, ran.out) == (0, "Success! Uploaded secret KEY for the Worker shop\n")
    assert logged_in.asked[-1].json == {"name": "KEY", "text": "hunter2", "type": "secret_text"}
    assert "hunter2" not in ran.out + ran.err


def test_an_empty_secret_is_not_sent(wflow, logged_in, pipe):
    pipe("\n")
    ran = wflow("secret", "put", "KEY", *SHOP)
    assert ran.code == 1
    assert "the secret KEY is empty" in ran.err
    assert logged_in.asked == []


def test_the_worker_is_the_projects_own_in_its_environment(wflow, logged_in, tmp_path, monkeypatch):
    work = tmp_path / "work"
    (work / "worker.py").write_text("")
    (work / "wflow.toml").write_text('name = "shop"\nmain = "worker.py"\n[env.staging]\n')
    monkeypatch.setenv("CLOUDFLARE_ENV", "staging")
    logged_in.gives("GET", AT.replace("/shop/", "/shop-staging/"), [])
    assert wflow("secret", "list").code == 0
    logged_in.gives("GET", AT, [])
    monkeypatch.delenv("CLOUDFLARE_ENV")
    assert wflow("secret", "list").code == 0
    assert wflow("secret", "list", "-e", "stagin").code == 1


def test_secrets_are_listed_by_name(wflow, logged_in):
    logged_in.gives("GET", AT, [{"name": "A", "type": "secret_text"}, {"name": "B", "type": "secret_text"}])
    assert [one["name"] for one in json.loads(wflow("secret", "list", *SHOP).out)] == ["A", "B"]
    ran = wflow("secret", "list", *SHOP, "--format", "pretty")
    assert ran.out == "Secret Name: A\nSecret Name: B\n"
    logged_in.gives("GET", AT, [])
    ran = wflow("secret", "list", *SHOP, "--format", "pretty")
    assert (ran.out, "has no secrets" in ran.err) == ("", True)


def test_a_secret_is_deleted(wflow, logged_in):
    logged_in.gives("DELETE", f"{AT}/KEY", None)
    ran = wflow("secret", "delete", "KEY", *SHOP)
    assert (ran.code, ran.out) == (0, "Success! Deleted secret KEY\n")
    assert "permanently delete the secret KEY on the Worker shop? Yes, as there is no" in ran.err


def test_several_secrets_go_in_one_request(wflow, logged_in, pipe, tmp_path):
    logged_in.gives("PATCH", AT, {})
    file = tmp_path / "secrets.json"
    file.write_text('{"A": "hunter2", "B": null}')
    ran = wflow("secret", "bulk", str(file), *SHOP)
    assert ran.out == (
        "Successfully created secret for key: A\nSuccessfully deleted secret for key: B\n"
        "1 secret successfully uploaded\n"
    )
    assert logged_in.asked[-1].json == {
        "secrets": {"A": {"name": "A", "text": "hunter2", "type": "secret_text"}, "B": None}
    }
    pipe("A=1\nB=2\n")
    assert wflow("secret", "bulk", *SHOP).out.endswith("2 secrets successfully uploaded\n")


def test_a_refusal_is_told(wflow, logged_in, pipe):
    logged_in.refuses("PUT", AT, 400, code=10026, message="no such name", hint="try another")
    pipe("hunter2")
    ran = wflow("secret", "put", "KEY", *SHOP)
    assert ran.code == 1
    assert "no such name" in ran.err
    assert "hunter2" not in ran.err

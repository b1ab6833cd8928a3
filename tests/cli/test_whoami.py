from __future__ import annotations

import json

VERIFY = "/user/tokens/verify"
KNOWN = {"id": "t1", "status": "active", "name": "me", "scope": "deploy"}


def test_it_shows_the_runner_the_name_and_the_scope_but_never_the_token(wflow, logged_in):
    logged_in.gives("GET", VERIFY, KNOWN)
    ran = wflow("whoami")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split() for line in ran.out.splitlines()] == [
        ["Runner:", logged_in.url],
        ["Token:", "me"],
        ["Scope:", "deploy"],
        ["Known", "from:", "wflow", "login"],
    ]
    assert "s3cret" not in ran.out


def test_it_is_json_for_programs(wflow, logged_in):
    logged_in.gives("GET", VERIFY, KNOWN)
    told = json.loads(wflow("whoami", "--json").out)
    assert told == {"url": logged_in.url, "source": "wflow login", **KNOWN}


def test_logged_out_ends_with_1_and_the_way_in(wflow):
    ran = wflow("whoami")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: you are not logged in")
    assert "`wflow login --url URL`" in ran.err


def test_the_environment_goes_before_the_login(wflow, logged_in, monkeypatch):
    monkeypatch.setenv("WFLOW_API_TOKEN", "other")
    logged_in.gives("GET", VERIFY, KNOWN)
    assert "WFLOW_API_TOKEN" in wflow("whoami").out
    assert [asked.token for asked in logged_in.asked] == ["other"]

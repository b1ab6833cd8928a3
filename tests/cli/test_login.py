from __future__ import annotations

import stat

import pytest

from wflow.cli import credentials
from wflow.cli.credentials import Credentials

VERIFY = "/user/tokens/verify"
KNOWN = {"id": "t1", "status": "active", "name": "me", "scope": "deploy"}


def test_a_token_is_checked_and_then_kept(wflow, runner):
    runner.gives("GET", VERIFY, KNOWN)
    ran = wflow("login", "--url", f"{runner.url}/", "--token", "s3cret")
    assert (ran.code, ran.out) == (0, "")
    assert f"Logged in to {runner.url} as `me` (deploy)" in ran.err
    assert "s3cret" not in ran.err
    assert [asked.token for asked in runner.asked] == ["s3cret"]
    assert credentials.read() == Credentials(url=runner.url, token="s3cret")
    assert stat.S_IMODE(credentials.path().stat().st_mode) == 0o600


def test_without_a_terminal_the_token_is_a_line_of_stdin(process, runner):
    runner.gives("GET", VERIFY, KNOWN)
    ran = process("login", "--url", runner.url, stdin="piped\n")
    assert ran.code == 0, ran.err
    assert credentials.read() == Credentials(url=runner.url, token="piped")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((), "which runner?"), (("--url", "http://127.0.0.1:1"), "no token on stdin")],
)
def test_without_a_terminal_nothing_is_asked(process, arguments, message):
    ran = process("login", *arguments)
    assert ran.code == 1
    assert ran.err.startswith(f"error: {message}")


def test_a_token_the_runner_does_not_know_is_not_kept(wflow, runner):
    credentials.write(Credentials(url="http://old", token="old"))
    runner.refuses("GET", VERIFY, 401, code=10000, message="this runner does not know the token", hint="ask")
    ran = wflow("login", "--url", runner.url, "--token", "wrong")
    assert (ran.code, ran.err) == (1, "error: this runner does not know the token\n\nhint: ask\n")
    assert credentials.read() == Credentials(url="http://old", token="old")


def test_where_nobody_answers_nothing_is_kept(wflow):
    ran = wflow("login", "--url", "http://127.0.0.1:1", "--token", "x")
    assert ran.code == 1
    assert "nothing answers at http://127.0.0.1:1" in ran.err
    assert credentials.read() is None


def test_what_is_no_url_is_refused_before_the_token_is_asked_for(wflow):
    ran = wflow("login", "--url", "runner.example.com")
    assert ran.code == 1
    assert "is no URL of a runner" in ran.err


def test_logging_in_mends_a_file_that_is_spoilt(wflow, runner):
    credentials.write(Credentials(url="http://old", token="old")).write_text("nonsense")
    runner.gives("GET", VERIFY, KNOWN)
    assert wflow("login", "--url", runner.url, "--token", "new").code == 0
    assert credentials.read() == Credentials(url=runner.url, token="new")


def test_an_environment_that_goes_before_the_login_is_named(wflow, runner, monkeypatch):
    monkeypatch.setenv("WFLOW_API_URL", "http://other")
    runner.gives("GET", VERIFY, KNOWN)
    ran = wflow("login", "--url", runner.url, "--token", "s3cret")
    assert "warning: WFLOW_API_URL is set" in ran.err

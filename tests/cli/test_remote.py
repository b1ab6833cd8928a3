from __future__ import annotations

import socket
from pathlib import Path

import pytest

from wflow.cli import credentials, remote
from wflow.cli.credentials import Credentials
from wflow.cli.remote import Login
from wflow.errors import UsageError
from wflow.runner.address import announced

WORKFLOWS = "/accounts/local/workflows"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return str(taken.getsockname()[1])


def test_what_is_given_goes_before_the_environment_and_that_before_the_login(monkeypatch):
    credentials.write(Credentials(url="http://kept", token="kept"))
    assert remote.login() == Login(url="http://kept", token="kept", source="wflow login")
    monkeypatch.setenv("WFLOW_API_TOKEN", "env")
    assert remote.login() == Login(url="http://kept", token="env", source="WFLOW_API_TOKEN")
    monkeypatch.setenv("WFLOW_API_URL", "http://env")
    assert remote.login() == Login(url="http://env", token="env", source="WFLOW_API_TOKEN")
    given = remote.login(url="http://given/", token="given")
    assert given == Login(url="http://given", token="given", source="--token")


def test_a_kept_token_is_only_sent_where_it_belongs(monkeypatch):
    credentials.write(Credentials(url="http://kept", token="kept"))
    assert remote.login(url="http://kept/").token == "kept"
    assert remote.login(url="http://kept:81").token is None
    monkeypatch.setenv("WFLOW_API_URL", "http://elsewhere")
    assert remote.login() == Login(url="http://elsewhere", token=None, source="WFLOW_API_URL")


def test_a_token_is_not_shown_by_accident():
    assert "s3cret" not in repr(Login(url="http://x", token="s3cret", source="--token"))


@pytest.mark.parametrize(
    "url", ["localhost:8788", "ftp://x", "http://", "http://me:pw@x", "http://x:0", "http://x?y"]
)
def test_what_is_no_url_of_a_runner_is_refused(url):
    with pytest.raises(UsageError, match="is no URL of a runner"):
        remote.address_of(url)


def test_local_is_the_url_of_the_dev_session_and_needs_no_token(wflow, runner):
    runner.gives("GET", WORKFLOWS, [])
    ran = wflow("workflows", "list", "--local", "--port", runner.port)
    assert (ran.code, ran.out) == (0, "")
    assert [asked.token for asked in runner.asked] == [None]


def test_local_in_a_project_is_the_session_of_that_project(wflow, runner, monkeypatch):
    runner.gives("GET", WORKFLOWS, [])
    wflow("init", "shop", "-y")
    monkeypatch.chdir("shop")
    with announced(Path.cwd(), f"http://localhost:{runner.port}"):
        assert wflow("workflows", "list", "--local").code == 0
    assert len(runner.asked) == 1


def test_local_in_a_project_never_asks_the_session_of_another_one(wflow, runner, monkeypatch):
    wflow("init", "shop", "-y")
    monkeypatch.chdir("shop")
    with open("wflow.toml", "a", encoding="utf-8") as config:  # noqa: PTH123
        config.write(f"\n[dev]\nport = {runner.port}\n")
    ran = wflow("workflows", "list", "--local")
    assert (ran.code, runner.asked) == (1, [])
    assert "No dev session runs here" in ran.err


def test_a_port_without_local_is_refused_instead_of_asking_another_runner(wflow, logged_in):
    ran = wflow("workflows", "list", "--port", "8787")
    assert (ran.code, logged_in.asked) == (1, [])
    assert "say `--local` as well" in ran.err


def test_without_a_dev_session_and_without_a_project_there_is_nothing_to_look_into(wflow):
    ran = wflow("workflows", "list", "--local", "--port", free_port())
    assert ran.code == 1
    assert "no dev session listens on port " in ran.err
    assert "`wflow dev`" in ran.err


def test_without_a_dev_session_the_project_is_read_and_a_mistake_in_it_is_told(wflow, monkeypatch):
    wflow("init", "shop", "-y")
    monkeypatch.chdir("shop")
    with open("wflow.toml", "a", encoding="utf-8") as config:  # noqa: PTH123
        config.write("\n[nonsense]\n")
    ran = wflow("workflows", "list", "--local")
    assert ran.code == 1
    assert ran.err.startswith("error: `wflow.toml` has 1 problem")


def test_a_folder_of_a_runner_excludes_its_url(wflow, tmp_path):
    ran = wflow("runner", "token", "list", "--data-dir", str(tmp_path), "--url", "http://x")
    assert ran.code == 1
    assert "takes no `--url`" in ran.err


def test_a_folder_of_a_runner_that_is_not_there_is_not_made(wflow, tmp_path):
    ran = wflow("runner", "token", "list", "--data-dir", str(tmp_path / "typo"))
    assert ran.code == 1
    assert "there is no folder" in ran.err
    assert not (tmp_path / "typo").exists()

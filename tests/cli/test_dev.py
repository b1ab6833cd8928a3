from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def project(wflow, monkeypatch):
    wflow("init", "shop", "-y")
    monkeypatch.chdir("shop")


@pytest.mark.parametrize("variable", ["GREETING", "not a name:x", ":x", ""])
def test_what_is_no_variable_is_refused_with_an_example(wflow, variable):
    ran = wflow("dev", "--var", variable)
    assert (ran.code, ran.out) == (1, "")
    assert f"error: `--var {variable}` is no variable" in ran.err
    assert "--var GREETING:hello" in ran.err


def test_an_environment_that_is_not_in_the_config_is_refused(wflow):
    ran = wflow("dev", "-e", "production")
    assert (ran.code, ran.out) == (1, "")
    assert "no such environment" in ran.err


@pytest.mark.parametrize("processes", ["0", "65", "-1", "2.5", "many", "", "٣"])
@pytest.mark.parametrize("command", [["dev"], ["runner", "start"]])
def test_what_is_no_number_of_processes_is_refused(wflow, command, processes):
    ran = wflow(*command, "--processes", processes)
    assert (ran.code, ran.out) == (1, "")
    assert f"error: `--processes {processes}` is not 1 to 64" in ran.err
    assert "`auto` for one a core" in ran.err


@pytest.mark.parametrize("port", ["65536", "-1", "http"])
def test_what_is_no_port_is_refused(wflow, port):
    ran = wflow("dev", "--port", port)
    assert (ran.code, ran.out) == (1, "")
    assert "invalid value for `--port`" in ran.err

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import wflow as package
from wflow.cli.commands import logout

HEAVY = {"httpx", "sqlite3", "psycopg", "watchfiles", "asyncio", "tomlkit", "rich", "pydantic", "starlette"}


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )


def test_building_every_command_loads_nothing_heavy():
    found = python("import sys\nfrom wflow.cli import tree\ntree.build()\nprint(*sys.modules)")
    assert found.returncode == 0, found.stderr
    loaded = set(found.stdout.split())
    assert "wflow.cli.commands.workflows.instances.describe" in loaded
    assert loaded & HEAVY == set()


def test_the_version_is_printed_before_the_command_line_is_even_built():
    found = python(
        "import sys\nfrom wflow.cli import app\nsys.argv = ['wflow', '--version']\n"
        "assert app.main() == 0\nprint('typer' in sys.modules)"
    )
    assert found.stdout.split() == [package.__version__, "False"]


def loaded_by(*arguments: str) -> set[str]:
    """Name all modules that a command line has loaded by its end."""
    found = python(
        f"import sys\nfrom wflow.cli import app\nsys.argv = ['wflow', *{arguments!r}]\n"
        "app.main()\nprint('loaded:', *sys.modules)"
    )
    return set(found.stdout.rpartition("loaded:")[2].split())


def test_the_version_takes_six_modules_of_ours():
    ours = {name for name in loaded_by("--version") if name.partition(".")[0] == "wflow"}
    assert ours == {
        "wflow",
        "wflow.cli",
        "wflow.cli.app",
        "wflow.cli.failure",
        "wflow.cli.output",
        "wflow.errors",
    }


def test_help_loads_the_commands_that_it_names_and_nothing_that_runs_them():
    loaded = loaded_by("--help")
    assert loaded & HEAVY == set()
    assert {"wflow.cli.commands.dev", "wflow.cli.commands.workflows"} <= loaded
    assert "wflow.cli.commands.workflows.instances" not in loaded


def test_a_command_loads_no_other_command():
    found = loaded_by("workflows", "instances", "list", "--nope")
    assert {name for name in found if name.startswith("wflow.cli.commands.")} == {
        "wflow.cli.commands.workflows",
        "wflow.cli.commands.workflows.instances",
        "wflow.cli.commands.workflows.instances.list",
    }


def test_the_version_is_on_stdout_and_nothing_else(process):
    ran = process("--version")
    assert (ran.code, ran.out, ran.err) == (0, f"{package.__version__}\n", "")


def test_the_version_is_printed_beside_a_command_too(wflow):
    ran = wflow("--version", "dev")
    assert (ran.code, ran.out) == (0, f"{package.__version__}\n")


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_is_on_stdout_and_names_the_commands(wflow, arguments):
    ran = wflow(*arguments)
    assert (ran.code, ran.err) == (0, "")
    assert "Durable workflows in plain Python" in ran.out
    for name in (
        "init",
        "dev",
        "deploy",
        "logs",
        "check",
        "login",
        "logout",
        "whoami",
        "workflows",
        "runner",
    ):
        assert f"\n  {name} " in ran.out


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("deplyo",), "did you mean `deploy`"),
        (("workflows", "instances", "descibe"), "did you mean `describe`?"),
        (("dev", "--prot", "1"), "did you mean `--port`"),
        (("xyzzy",), "`wflow --help` shows what it takes"),
        (("init", "a", "b"), "`wflow init --help` shows what it takes"),
    ],
)
def test_a_slip_of_the_finger_ends_with_1_and_a_hint(wflow, typed, meant):
    ran = wflow(*typed)
    assert (ran.code, ran.out) == (1, "")
    message, hint = ran.err.split("\n\n")
    assert message.startswith("error: ")
    assert hint.startswith(f"hint: {meant}")


def test_an_error_that_the_person_can_mend_ends_with_1(process):
    ran = process("check")
    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("error: no `wflow.toml`")
    assert "\n\nhint: make a project with `wflow init NAME`" in ran.err


def test_our_own_bug_ends_with_2_and_its_traceback_is_in_a_file(wflow, home, monkeypatch):
    def command() -> None:
        raise KeyError("nobody thought of this")

    monkeypatch.setattr(logout, "command", command)
    ran = wflow("logout")
    assert (ran.code, ran.out) == (2, "")
    assert "it is our fault" in ran.err
    assert "Traceback" not in ran.err
    (file,) = (home / ".local" / "state" / "wflow" / "errors").iterdir()
    assert str(file) in ran.err
    assert "Traceback" in file.read_text(encoding="utf-8")


def test_ctrl_c_ends_with_130_and_says_nothing(wflow, monkeypatch):
    def command() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(logout, "command", command)
    ran = wflow("logout")
    assert (ran.code, ran.out, ran.err) == (130, "", "")


def test_a_reader_that_goes_away_is_met_with_silence():
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "wflow", "--help"],
            stdout=gone,
            stderr=subprocess.PIPE,
            timeout=30,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_name_that_stdout_cannot_show_is_no_bug(process, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    ran = process("init", "größe")
    assert ran.code == 1
    assert "gr\\xf6\\xdfe" in ran.err

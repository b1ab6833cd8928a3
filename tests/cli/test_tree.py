from __future__ import annotations

import pytest
import typer

from wflow import catalogue
from wflow.cli import commands, tree


def spoken(package, *above):
    for name, module in catalogue.modules(package):
        path = (*above, name.replace("_", "-"))
        if hasattr(module, "__path__"):
            yield from spoken(module, *path)
        yield path


ALL = sorted(spoken(commands))


def test_the_folder_has_every_command():
    assert [" ".join(path) for path in ALL] == [
        "check",
        "deploy",
        "deployments",
        "deployments list",
        "deployments status",
        "dev",
        "init",
        "login",
        "logout",
        "logs",
        "replay",
        "rollback",
        "runner",
        "runner start",
        "runner token",
        "runner token create",
        "runner token list",
        "runner token revoke",
        "versions",
        "versions deploy",
        "versions list",
        "versions upload",
        "versions view",
        "whoami",
        "workflows",
        "workflows describe",
        "workflows instances",
        "workflows instances cancel",
        "workflows instances delete",
        "workflows instances describe",
        "workflows instances export",
        "workflows instances list",
        "workflows instances migrate",
        "workflows instances pause",
        "workflows instances restart",
        "workflows instances resume",
        "workflows instances send-event",
        "workflows instances step",
        "workflows instances terminate",
        "workflows instances terminate-all",
        "workflows instances watch",
        "workflows list",
        "workflows trigger",
    ]


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_on_stdout(wflow, path):
    ran = wflow(*path, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: wflow {' '.join(path)} ")
    is_group = "\nCommands:\n" in ran.out
    assert is_group or f"\n  Examples:\n    wflow {' '.join(path)}" in ran.out


@pytest.mark.parametrize("path", [path for path in ALL if path[-1] in {"list", "describe"}], ids=" ".join)
def test_every_list_and_description_can_be_json(wflow, path):
    assert "\n  --json " in wflow(*path, "--help").out


@pytest.mark.parametrize(
    "line",
    [
        "",
        "--help",
        "--help dev",
        "--version dev",
        "-- dev --help",
        "dve",
        "--nope",
        "dev --prt 1",
        "workflows",
        "workflows --help",
        "workflows --nope",
        "workflows -- instances list --help",
        "workflows instances",
        "workflows instances lst",
        "workflows instances send_event",
        "workflows instances send-event --help",
        "runner tokn",
        "runner token create",
    ],
)
def test_a_line_sees_no_difference_between_the_whole_tree_and_as_much_as_it_needs(line, capsys):
    def run(app):
        try:
            code = app(args=line.split(), prog_name="wflow", standalone_mode=False)
        except typer.TyperException as wrong:
            code = wrong.format_message()
        return code, capsys.readouterr()

    assert run(tree.build(line.split())) == run(tree.build())


def test_a_group_alone_shows_its_help(wflow):
    assert wflow("workflows", "instances").out == wflow("workflows", "instances", "--help").out

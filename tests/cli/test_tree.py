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
        "cron",
        "cron list",
        "cron run",
        "d1",
        "d1 create",
        "d1 delete",
        "d1 execute",
        "d1 export",
        "d1 info",
        "d1 list",
        "d1 migrations",
        "d1 migrations apply",
        "d1 migrations create",
        "d1 migrations list",
        "d1 time-travel",
        "d1 time-travel info",
        "d1 time-travel restore",
        "deploy",
        "deployments",
        "deployments list",
        "deployments status",
        "dev",
        "init",
        "kv",
        "kv bulk",
        "kv bulk delete",
        "kv bulk get",
        "kv bulk put",
        "kv key",
        "kv key delete",
        "kv key get",
        "kv key list",
        "kv key put",
        "kv namespace",
        "kv namespace create",
        "kv namespace delete",
        "kv namespace list",
        "kv namespace rename",
        "login",
        "logout",
        "logs",
        "queues",
        "queues consumer",
        "queues consumer add",
        "queues consumer http",
        "queues consumer http add",
        "queues consumer http remove",
        "queues consumer list",
        "queues consumer remove",
        "queues consumer worker",
        "queues consumer worker add",
        "queues consumer worker remove",
        "queues create",
        "queues delete",
        "queues info",
        "queues list",
        "queues pause-delivery",
        "queues purge",
        "queues resume-delivery",
        "queues update",
        "replay",
        "rollback",
        "runner",
        "runner start",
        "runner token",
        "runner token create",
        "runner token list",
        "runner token revoke",
        "schema",
        "secret",
        "secret bulk",
        "secret delete",
        "secret list",
        "secret put",
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

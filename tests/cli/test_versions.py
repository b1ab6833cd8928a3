from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from tests.cli.shop import IDS, PLACE, deployment, gives, version, wished
from wflow.cli import versions
from wflow.errors import UsageError

SHOP = ("--name", "shop")


# -- how a version is named ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["2", IDS[2], IDS[2].upper(), "22bb", " 22bb0000-0000 "])
def test_a_version_is_named_by_its_number_its_id_or_the_beginning_of_that(text):
    assert versions.pick([version(3), version(2), version(1)], text)["number"] == 2


@pytest.mark.parametrize("text", ["22b", "4", "", "ffff", "bb00", IDS[2] + "0"])
def test_what_names_no_version_is_refused_with_those_there_are(text):
    with pytest.raises(UsageError, match="is no version of this Worker") as refused:
        versions.pick([version(2), version(1)], text)
    assert refused.value.hint == f"there are {IDS[2]} (number 2), {IDS[1]} (number 1)"


def test_a_long_list_of_those_there_are_is_cut():
    with pytest.raises(UsageError) as refused:
        versions.pick([version(number) for number in range(30, 0, -1)], "nothing")
    assert str(refused.value.hint).endswith("(number 21) and 20 more")


def test_a_beginning_that_two_versions_share_is_refused_with_both():
    twins = [version(2, id="abcd1-2"), version(1, id="abcd1-1")]
    with pytest.raises(UsageError, match="`abcd1` names more than one version") as refused:
        versions.pick(twins, "abcd1")
    assert refused.value.hint == "there are abcd1-2 (number 2), abcd1-1 (number 1)"
    assert versions.pick(twins, "abcd1-1")["number"] == 1


def test_a_number_that_is_the_beginning_of_another_id_is_told_apart_by_more():
    mixed = [version(1234), version(1, id="1234abcd-0")]
    with pytest.raises(UsageError, match="names more than one"):
        versions.pick(mixed, "1234")
    assert versions.pick(mixed, "1234a")["number"] == 1


# -- list ------------------------------------------------------------------------------------------------


def test_versions_are_listed_the_newest_at_the_end_with_what_is_live(wflow, logged_in):
    gives(logged_in, [version(2, message="retry", tag="v2"), version(1)], deployment((2, 10), (1, 90)))
    ran = wflow("versions", "list", *SHOP)
    assert ran.code == 0, ran.err
    first, second = ran.out.split("\n\n")
    assert first.splitlines()[:2] == [f"Version ID:  {IDS[1]}", "Number:      1"]
    assert first.splitlines()[4:] == [
        "Source:      Upload",
        "Tag:         -",
        "Message:     -",
        "Live:        90%",
    ]
    assert second.splitlines()[5:] == ["Tag:         v2", "Message:     retry", "Live:        10%"]


def test_of_many_versions_the_last_ten_are_listed_unless_all_are_wanted(wflow, logged_in):
    gives(logged_in, [version(number) for number in range(12, 0, -1)])
    ran = wflow("versions", "list", *SHOP)
    assert ran.out.count("Version ID:") == 10
    assert "Number:      2\n" not in ran.out
    assert ran.err == "\nThese are the last 10 of 12; `--all` lists all.\n"
    numbers = [one["number"] for one in json.loads(wflow("versions", "list", *SHOP, "--json").out)]
    assert numbers == list(range(3, 13))
    everything = json.loads(wflow("versions", "list", *SHOP, "--json", "--all").out)
    assert [one["number"] for one in everything] == list(range(1, 13))


def test_the_worker_is_the_projects_unless_it_is_named(wflow, logged_in):
    Path("wflow.toml").write_text('name = "shop"\nmain = "worker.py"\n')
    Path("worker.py").touch()
    gives(logged_in, [version(1)], deployment((1, 100)))
    assert wflow("versions", "list").code == 0
    logged_in.gives("GET", "/accounts/local/workers/scripts/blog/versions", {"items": []})
    logged_in.gives("GET", "/accounts/local/workers/scripts/blog/deployments", {"deployments": []})
    assert wflow("versions", "list", "--name", "blog").code == 0
    assert {asked.path.split("/")[5] for asked in logged_in.asked} == {"shop", "blog"}


def test_without_a_project_and_a_name_nothing_is_asked(wflow, logged_in):
    ran = wflow("versions", "list")
    assert (ran.code, logged_in.asked) == (1, [])
    assert "wflow.toml" in ran.err


# -- view ------------------------------------------------------------------------------------------------


def test_a_version_is_shown_with_its_bindings(wflow, logged_in):
    bindings = [
        {"type": "workflow", "name": "ORDERS", "workflow_name": "orders", "class_name": "Orders"},
        {"type": "kv_namespace", "name": "STOCK", "namespace_id": "stock"},
        {"type": "plain_text", "name": "GREETING", "text": "hello"},
        {"type": "json", "name": "MOST", "json": 3},
        {"type": "vectorize", "name": "LATER"},
    ]
    whole = {
        **version(2),
        "resources": {
            "bindings": bindings,
            "script": {"handlers": ["fetch"]},
            "script_runtime": {"python": "3.11"},
        },
    }
    gives(logged_in, [version(2), version(1)], deployment((1, 100)))
    logged_in.gives("GET", f"{PLACE}/versions/{IDS[2]}", whole)
    ran = wflow("versions", "view", "22bb", *SHOP)
    assert ran.code == 0, ran.err
    assert ran.out.startswith(f"Version ID:          {IDS[2]}\nNumber:              2\n")
    assert "Live:" not in ran.out
    for row in (
        "env.ORDERS (Orders)     Workflow",
        "env.STOCK (stock)       KV Namespace",
        'env.GREETING ("hello")  Environment Variable',
        "env.MOST (3)            Environment Variable",
        "env.LATER               vectorize",
    ):
        assert row in ran.out
    assert json.loads(wflow("versions", "view", "2", *SHOP, "--json").out) == whole


def test_a_version_that_is_not_there_is_refused_with_those_there_are(wflow, logged_in):
    gives(logged_in, [version(1)])
    ran = wflow("versions", "view", "7", *SHOP)
    assert ran.code == 1
    assert "error: `7` is no version of this Worker" in ran.err
    assert f"hint: there are {IDS[1]} (number 1)" in ran.err


# -- deploy ----------------------------------------------------------------------------------------------


def three(runner):
    gives(runner, [version(3, tag="v3"), version(2), version(1)], deployment((2, 100)))
    runner.gives("POST", f"{PLACE}/deployments", deployment((3, 10), (2, 90)))


def test_two_versions_are_deployed_with_their_shares(wflow, logged_in):
    three(logged_in)
    ran = wflow("versions", "deploy", "3@10", f"{IDS[2]}@90%", *SHOP, "--message", "slowly")
    assert ran.code == 0, ran.err
    assert wished(logged_in) == {
        "strategy": "percentage",
        "versions": [
            {"version_id": IDS[3], "percentage": 10},
            {"version_id": IDS[2], "percentage": 90},
        ],
        "annotations": {"workers/message": "slowly", "workers/triggered_by": "deployment"},
    }
    assert ran.out.startswith(f"Deployed shop version {IDS[3]} at 10% and version {IDS[2]} at 90% (")
    assert "Your current deployment has 1 version:" in ran.err
    assert f"(10%) {IDS[3]} (number 3)" in ran.err


@pytest.mark.parametrize(
    "said",
    [
        ("3@10", "2"),
        ("--version-id", "3", "--percentage", "10", "--version-id", "2", "--percentage", "90"),
        ("--version-id", "3", "--percentage", "10", "--version-id", "2"),
        ("--version-tag", "v3@10", "2@90"),
    ],
)
def test_versions_and_shares_are_said_as_wrangler_has_it(wflow, logged_in, said):
    three(logged_in)
    assert wflow("versions", "deploy", *said, *SHOP, "--json").code == 0
    shares = {one["version_id"]: one["percentage"] for one in wished(logged_in)["versions"]}
    assert shares == {IDS[3]: 10, IDS[2]: 90}


def test_a_dry_run_deploys_nothing(wflow, logged_in):
    three(logged_in)
    ran = wflow("versions", "deploy", "3", *SHOP, "--dry-run")
    assert (ran.code, ran.out) == (0, "--dry-run: exiting now.\n")
    assert f"(100%) {IDS[3]} (number 3)" in ran.err
    ran = wflow("versions", "deploy", "3", *SHOP, "--dry-run", "--json")
    assert json.loads(ran.out) == {
        "dry_run": True,
        "name": "shop",
        "versions": [{"version_id": IDS[3], "percentage": 100}],
    }
    assert {asked.method for asked in logged_in.asked} == {"GET"}


def test_without_a_version_and_a_terminal_nothing_is_deployed(wflow, logged_in):
    for more in ((), ("--yes",)):
        ran = wflow("versions", "deploy", *SHOP, *more)
        assert (ran.code, logged_in.asked) == (1, [])
        assert "hint: name it: `wflow versions deploy 7@100`" in ran.err


def test_more_percentages_than_versions_are_refused(wflow, logged_in):
    ran = wflow("versions", "deploy", "--version-id", "3", "--percentage", "1", "--percentage", "2", *SHOP)
    assert (ran.code, logged_in.asked) == (1, [])


class Terminal(io.StringIO):
    def isatty(self):
        return True


def types(monkeypatch, *lines):
    """Have a person at a terminal, who types these lines."""
    monkeypatch.setattr(sys, "stdin", Terminal("".join(f"{line}\n" for line in lines)))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)


def test_at_a_terminal_one_is_asked_for_versions_and_shares(wflow, logged_in, monkeypatch):
    three(logged_in)
    types(monkeypatch, "3 2", "25", "carefully", "y")
    ran = wflow("versions", "deploy", *SHOP)
    assert ran.code == 0, ran.err
    body = wished(logged_in)
    assert [one["percentage"] for one in body["versions"]] == [25, 75]
    assert body["annotations"]["workers/message"] == "carefully"
    assert f"\n2       {IDS[2]}  100%  " in ran.err


def test_at_a_terminal_the_newest_version_alone_is_what_an_empty_answer_means(wflow, logged_in, monkeypatch):
    three(logged_in)
    types(monkeypatch, "", "", "y")
    assert wflow("versions", "deploy", *SHOP).code == 0
    assert wished(logged_in)["versions"] == [{"version_id": IDS[3], "percentage": 100}]


@pytest.mark.parametrize(
    "case",
    [
        (("3", "", "n"), 130, "nothing was done"),
        (("3 2 1",), 1, "3 versions are named"),
        (("9", ""), 1, "`9` is no version"),
        (("3 2", "all"), 1, "names no percentage"),
    ],
)
def test_at_a_terminal_a_no_and_what_makes_no_sense_deploy_nothing(wflow, logged_in, monkeypatch, case):
    typed, code, told = case
    three(logged_in)
    types(monkeypatch, *typed)
    ran = wflow("versions", "deploy", *SHOP)
    assert ran.code == code
    assert told in ran.err
    assert {asked.method for asked in logged_in.asked} == {"GET"}

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.config.conftest import Folder

NAME_RULE = "must be 1-63 lower-case letters, digits, `_` or `-`, with no `-` first"

CONFIG = """\
name = "shop"
main = "src/worker.py"
compatibility_date = "2026-10-01"

[[workflows]]
binding = "A"
name = "a"
class_name = "MyWorkflow"

[[workflows]]
binding = "B"
name = "b"
class_name = "MyWorkflow"

[vars]
RATE = 1
REGION = "eu"

[env.staging.vars]
RATE = 2

[[env.staging.workflows]]
binding = "B"
name = "b-staging"
class_name = "OtherWorkflow"

[[env.staging.kv_namespaces]]
binding = "KV"

[env.production]
name = "shop-live"
compatibility_date = "2026-11-01"
"""


def test_without_an_environment_the_top_of_the_file_counts(folder: Folder):
    for project in (folder.load(CONFIG), folder.load(CONFIG, "")):
        assert (project.name, project.environment) == ("shop", None)
        assert project.vars == {"RATE": 1, "REGION": "eu"}
        assert project.kv_namespaces == ()


def test_an_environment_inherits_what_it_does_not_repeat(folder: Folder):
    project = folder.load(CONFIG, "staging")
    assert (project.name, project.environment) == ("shop-staging", "staging")
    assert project.compatibility_date == "2026-10-01"
    assert project.vars == {"RATE": 2, "REGION": "eu"}
    assert [(flow.binding, flow.name, flow.class_name) for flow in project.workflows] == [
        ("A", "a", "MyWorkflow"),
        ("B", "b-staging", "OtherWorkflow"),
    ]
    assert [kv.binding for kv in project.kv_namespaces] == ["KV"]


def test_an_environment_may_set_its_own_name(folder: Folder):
    project = folder.load(CONFIG, "production")
    assert (project.name, project.compatibility_date) == ("shop-live", "2026-11-01")
    assert [flow.name for flow in project.workflows] == ["a", "b"]


def test_an_environment_may_say_what_the_top_leaves_open(folder: Folder):
    config = '[env.staging]\nname = "shop"\nmain = "src/worker.py"\n[env.other]'
    assert folder.load(config, "staging").name == "shop"
    assert folder.refusal(config) == (
        "`wflow.toml` has 2 problems\n"
        "\n"
        '  wflow.toml   name: missing (your Worker\'s name, e.g. "my-worker")\n'
        '  wflow.toml   main: missing (the Python file with your Worker, e.g. "src/worker.py")'
    )


def test_an_unknown_environment_names_those_there_are(folder: Folder):
    assert folder.refusal(CONFIG, "stagin") == (
        "`wflow.toml` has 1 problem\n"
        "\n"
        "  wflow.toml   env.stagin: no such environment "
        "(did you mean `staging`? there are: staging, production)"
    )


def test_an_environment_of_a_file_without_any_is_unknown(folder: Folder):
    message = folder.refusal('name = "a"\nmain = "src/worker.py"', "x")
    assert message.endswith("  env.x: no such environment: the file has none")


@pytest.mark.parametrize("environment", [None, "production", "staging"])
def test_environments_that_are_not_selected_are_validated_too(folder: Folder, environment: str | None):
    config = CONFIG.replace("RATE = 2", "RATE = nan").replace("OtherWorkflow", "OtherWrkflow")
    assert folder.refusal(config, environment) == (
        "`wflow.toml` has 2 problems\n"
        "\n"
        "  wflow.toml:20   env.staging.vars.RATE: must be a finite number, not nan\n"
        "  wflow.toml:25   env.staging.workflows[0].class_name: "
        "`src/worker.py` neither defines nor imports `OtherWrkflow` (did you mean `OtherWorkflow`?)"
    )


def test_a_problem_at_the_top_is_told_once(folder: Folder):
    config = CONFIG.replace('name = "b"', 'name = "a"', 1).replace("b-staging", "c")
    assert folder.refusal(config, "staging") == (
        "`wflow.toml` has 1 problem\n"
        "\n"
        '  wflow.toml:12   workflows[1].name: "a" is taken by `workflows[0].name` (line 7)'
    )


def test_environments_are_a_table(folder: Folder):
    message = folder.refusal('name = "shop"\nmain = "src/worker.py"\nenv = 1')
    assert message.endswith("  wflow.toml:3   env: must hold tables such as `[env.staging]`, not 1")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("env.name = 'x'", '5   env.name: must be a table, not "x"'),
        ("[env.a.dev]", "5   env.a.dev: can be set only at the top of the file"),
        ("[env.a.env.b]", "5   env.a.env: can be set only at the top of the file"),
        ("[env.a]\nworkflws = []", "6   env.a.workflws: unknown key (did you mean `workflows`?)"),
        (
            "[env.a]\nworkflows = 5",
            "6   env.a.workflows: must be an array of tables: write `[[workflows]]` above its keys",
        ),
        ("[env.a.r2_buckets]", "5   env.a.r2_buckets: not supported by wflow yet"),
        ("[env.'../x']", f'5   env."../x": {NAME_RULE}, not "../x"'),
        (f"[env.{'e' * 60}]", f'5   env.{"e" * 60}.name: {NAME_RULE}, not "shop-{"e" * 51}...'),
        ("[env.a.vars]\nKV = 1", '6   env.a.vars.KV: "KV" is taken by `kv_namespaces[0].binding` (line 3)'),
    ],
)
@pytest.mark.parametrize("selected", [None, "other"])
def test_a_wrong_environment_is_told(folder: Folder, config: str, told: str, selected: str | None):
    top = 'name = "shop"\nmain = "src/worker.py"\nkv_namespaces = [{ binding = "KV" }]\n\n'
    other = f"\n[env.{selected}]" if selected else ""
    assert (
        folder.refusal(top + config + other, selected) == f"`wflow.toml` has 1 problem\n\n  wflow.toml:{told}"
    )


RESOURCES = """\
name = "shop"
main = "src/worker.py"
kv_namespaces = [{ binding = "KV", id = "f00", preview_id = "ba5" }, { binding = "CACHE", id = "f01" }]
[[d1_databases]]
binding = "DB"
database_name = "app"
database_id = "d1"
migrations_dir = "db"
[[queues.producers]]
binding = "JOBS"
queue = "jobs"
[[queues.consumers]]
queue = "jobs"
[triggers]
crons = ["0 * * * *"]
[secrets]
required = ["KEY"]

[[env.staging.kv_namespaces]]
binding = "CACHE"
id = "f02"
[[env.staging.queues.producers]]
binding = "MORE"
queue = "more"
delivery_delay = 5

[[env.production.queues.consumers]]
queue = "live"
[env.production.triggers]
crons = []
[env.production.secrets]
required = []
"""


def test_an_environment_has_namespaces_and_databases_of_its_own(folder: Folder):
    project = folder.load(RESOURCES, "staging")
    assert [(kv.binding, kv.id, kv.preview_id) for kv in project.kv_namespaces] == [
        ("KV", None, None),
        ("CACHE", "f02", None),
    ]
    (database,) = project.d1_databases
    assert (database.name, database.id, database.migrations_dir) == (None, None, "db")


def test_an_environment_adds_producers_and_replaces_consumers_crons_and_required_secrets(folder: Folder):
    staging, production = folder.load(RESOURCES, "staging"), folder.load(RESOURCES, "production")
    assert [(one.binding, one.queue, one.delivery_delay) for one in staging.producers] == [
        ("JOBS", "jobs", None),
        ("MORE", "more", 5),
    ]
    assert [one.queue for one in staging.consumers] == ["jobs"]
    assert (staging.crons, staging.required_secrets) == (("0 * * * *",), ("KEY",))
    assert [one.queue for one in production.producers] == ["jobs"]
    assert [one.queue for one in production.consumers] == ["live"]
    assert (production.crons, production.required_secrets) == ((), ())


@pytest.mark.parametrize("own", ["queues = 5", "queues = { producers = 5 }", "kv_namespaces = 5"])
def test_an_environment_whose_bindings_make_no_sense_is_told_and_no_more(folder: Folder, own: str):
    assert "`wflow.toml` has 1 problem\n" in folder.refusal(RESOURCES + f"[env.bad]\n{own}", "bad")

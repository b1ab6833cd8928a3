"""The config: a test for each feature from D1 to D18 of the table that is there, named after its id."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from tests.stories.featured import Site, moment, open_project, open_site
from tests.stories.processes import World, wait_for
from wflow.config.load import load
from wflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stories.processes import Process

KEY = "sk-test-0123456789"
HASH = sha256(KEY.encode()).hexdigest()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A dev session of a project whose config has everything."""
    world = open_project(tmp_path_factory.mktemp("config"), "config")
    (world.project / ".dev.vars").write_text(f"API_KEY={KEY}\nOTHER=not required\n")
    with open_site(world) as site:
        yield site


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Process]]:
    """A runner, and a person with the same project who is logged in to it."""
    world = open_project(tmp_path_factory.mktemp("deployed"), "config")
    with world.runner() as up:
        world.environment |= {"WFLOW_API_URL": up.url, "WFLOW_API_TOKEN": up.out.split()[-1]}
        yield world, up


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The project in a folder of its own, to be read only."""
    return open_project(tmp_path, "config").project


def test_d1_a_config_is_toml_json_or_jsonc_and_found_upward(project: Path):
    deep = project / "a" / "b"
    deep.mkdir(parents=True)
    assert load(deep).path == project / "wflow.toml"
    (project / "wflow.toml").rename(project / "wrangler.toml")
    assert load(deep).path == project / "wrangler.toml"
    for name in ("wrangler.jsonc", "wrangler.json"):
        (project / name).write_text('{"name": "json", /* so */ "main": "worker.py", }')
        assert (load(deep).path, load(deep).name) == (project / name, "json")


def test_d2_a_schema_tells_editors_what_the_config_may_say(site: Site):
    schema = json.loads(site.world.wflow("schema").out)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert {"name", "main"} <= set(schema["required"])
    workflow = schema["properties"]["workflows"]["items"]
    assert workflow["properties"]["limits"]["properties"]["steps"]["maximum"] == 25_000
    assert "workflows" in schema["properties"]["env"]["additionalProperties"]["properties"]


def test_d3_a_workflow_has_a_binding_a_name_and_a_class(site: Site):
    (shown,) = site.api.workflows.list().items
    assert (shown["name"], shown["class_name"], shown["script_name"]) == ("order", "Order", "shop")
    assert site.output("order", {"steps": 2}) == 2


def test_d4_limits_retention_concurrency_and_schedules_are_the_configs(site: Site):
    over = site.run("order", {"steps": 2}, "d4")
    assert moment(over["expires_on"]) == moment(over["end"]) + timedelta(days=3)
    failed = site.run("order", {"steps": 3}, "d4-many")
    assert "limit" in failed["error"]["message"]
    assert moment(failed["expires_on"]) == moment(failed["end"]) + timedelta(days=7)
    (schedule,) = site.api.scripts.schedules("shop")
    assert schedule["cron"] == "0 0 1 1 *"


def test_d6_namespaces_databases_and_queues_are_there_without_an_id(site: Site):
    used = site.session.ask("GET", "/bound").json()
    assert (used["kv"], used["two"]) == ("yes", 2)
    wait_for(lambda: site.session.ask("GET", "/bound").json()["job"] == "job 1", "the job to be consumed")


def test_d7_vars_are_in_env_and_a_deploy_without_a_required_secret_is_refused(
    runner: tuple[World, Process],
):
    world, up = runner
    refused = world.wflow("deploy")
    assert refused.code == 1
    assert "lacks required secrets: API_KEY" in refused.err
    assert "wflow secret put API_KEY" in refused.err
    assert world.wflow("secret", "put", "API_KEY", stdin=f"{KEY}\n").code == 0
    done = world.wflow("deploy")
    assert done.code == 0, done.err
    assert up.ask("GET", "/").json() == {
        "greeting": "hello",
        "rules": {"days": [1, 2]},
        "secret": HASH,
        "other": False,
    }
    shown = world.wflow("secret", "list")
    assert json.loads(shown.out) == [{"name": "API_KEY", "type": "secret_text"}]


def test_d7_a_changed_secret_is_there_without_another_deploy_and_is_told_nowhere(
    runner: tuple[World, Process],
):
    world, up = runner
    other = KEY[::-1]
    assert world.wflow("secret", "put", "API_KEY", stdin=other).code == 0
    wanted = sha256(other.encode()).hexdigest()
    wait_for(lambda: up.ask("GET", "/").json()["secret"] == wanted, "the new secret")
    told = [up.out, up.err, world.wflow("logs").out, world.wflow("versions", "list", "--json").out]
    assert not any(secret in text for secret in (KEY, other) for text in told)
    for file in world.data.rglob("*"):
        if file.is_file():
            raw = file.read_bytes()
            assert KEY.encode() not in raw, file
            assert other.encode() not in raw, file
    assert (world.data / "secrets.key").stat().st_mode & 0o777 == 0o600


def test_d8_secrets_of_a_session_are_in_dev_vars_and_only_those_that_are_required(site: Site):
    told = site.session.ask("GET", "/").json()
    assert (told["secret"], told["other"]) == (HASH, False)
    assert "Using secrets defined in .dev.vars" in site.session.err
    assert "Missing required secrets" not in site.session.err
    assert KEY not in site.session.err + site.session.out


def test_d9_an_environment_is_a_worker_of_its_own_that_inherits_with_override(
    runner: tuple[World, Process],
):
    world, up = runner
    world.environment["CLOUDFLARE_ENV"] = "staging"
    try:
        assert world.wflow("secret", "put", "API_KEY", stdin="staged").code == 0
        done = world.wflow("deploy")
    finally:
        del world.environment["CLOUDFLARE_ENV"]
    assert done.code == 0, done.err
    assert "workflow: order-staging" in done.out
    host = {"host": f"shop-staging.localhost:{up.url.rpartition(':')[2]}"}
    told = up.ask("GET", "/", headers=host).json()
    assert (told["greeting"], told["rules"]) == ("hi", {"days": [1, 2]})
    assert told["secret"] == sha256(b"staged").hexdigest()


def test_d10_all_that_is_wrong_is_told_in_one_block_with_its_place_and_what_was_meant(project: Path):
    config = project / "wflow.toml"
    config.write_text(config.read_text().replace("class_name", "clas_name", 1).replace('"API_KEY"', '"A-B"'))
    with pytest.raises(ConfigError) as refused:
        load(project)
    told = refused.value.message
    assert told.startswith("`wflow.toml` has 3 problems\n\n")
    assert "workflows[0].clas_name: unknown key (did you mean `class_name`?)" in told
    assert re.search(r"wflow\.toml:\d+ +secrets\.required\[0\]: must be a Python name", told)


def test_d11_unknown_keys_are_errors_in_ours_and_notes_in_wranglers(project: Path):
    text = "nmae = 1\n" + (project / "wflow.toml").read_text()
    (project / "wflow.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"nmae: unknown key .did you mean `name`\?."):
        load(project)
    (project / "wflow.toml").rename(project / "wrangler.toml")
    assert any("nmae: unknown key" in note for note in load(project).notes)


def test_d12_what_has_no_id_got_one_at_the_deploy_and_the_config_says_so(runner: tuple[World, Process]):
    world, up = runner
    text = (world.project / "wflow.toml").read_text()
    assert re.search(r'binding = "KV" # what is known\nid = "[0-9a-f]{32}"\n', text)
    assert text.startswith("# The project of the stories about its config.\n")
    top, staging = load(world.project), load(world.project, environment="staging")
    for mine, theirs in (
        (top.kv_namespaces[0].id, staging.kv_namespaces[0].id),
        (top.d1_databases[0].id, staging.d1_databases[0].id),
    ):
        assert mine is not None
        assert theirs is not None
        assert mine != theirs, "each environment has its own"
    assert (top.d1_databases[0].name, staging.d1_databases[0].name) == ("app", "shop-staging-db")
    host = {"host": f"shop.localhost:{up.url.rpartition(':')[2]}"}
    assert up.ask("GET", "/bound", headers=host).json()["kv"] == "yes"
    again = world.wflow("deploy")
    assert again.code == 0, again.err
    assert (world.project / "wflow.toml").read_text() == text


def test_d13_a_build_of_ones_own_runs_before_a_deploy_and_before_a_session_loads_the_code(tmp_path: Path):
    world = open_project(tmp_path, "config")
    (world.project / "parts").mkdir()
    (world.project / "parts" / "worker.txt").write_text((world.project / "worker.py").read_text())
    (world.project / "worker.py").unlink()
    with (world.project / "wflow.toml").open("a") as config:
        config.write('\n[build]\ncommand = "cp worker.txt ../worker.py; echo made"\ncwd = "parts"\n')
        config.write('watch_dir = "parts"\n')
    done = world.wflow("deploy", "--dry-run")
    assert done.code == 0, done.err
    assert "[custom build] made" in done.err
    (world.project / "worker.py").unlink()
    with world.dev() as session:
        assert "Missing required secrets: API_KEY; write them into .dev.vars" in session.err
        assert session.ask("GET", "/").json()["greeting"] == "hello"
        world.edit("parts/worker.txt", "self.env.GREETING,", "self.env.GREETING.upper(),")
        wait_for(lambda: session.ask("GET", "/").json()["greeting"] == "HELLO", "what was built anew")
    world.edit("wflow.toml", "echo made", "exit 3")
    failed = world.wflow("deploy", "--dry-run")
    assert failed.code == 1
    assert "ended with exit code 3" in failed.err


def test_d14_the_dev_section_says_where_a_session_listens(project: Path):
    config = project / "wflow.toml"
    config.write_text(config.read_text() + '\n[dev]\nip = "0.0.0.0"\nport = 0\n')
    assert (load(project).dev.ip, load(project).dev.port) == ("0.0.0.0", 0)  # noqa: S104 (read, not bound)


def test_d16_check_judges_the_config_and_the_code_without_a_runner(site: Site):
    good = site.world.wflow("check")
    assert good.code == 0, good.err
    broken = site.world.project / "broken.toml"
    broken.write_text((site.world.project / "wflow.toml").read_text().replace('"Order"', '"Odrer"', 1))
    bad = site.world.wflow("check", "-c", "broken.toml")
    broken.unlink()
    assert bad.code != 0
    assert "did you mean `Order`?" in bad.err + bad.out

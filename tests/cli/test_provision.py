"""Bindings without a resource get one at a deploy."""

from __future__ import annotations

from pathlib import Path

import pytest

from wflow.cli import provision, remote
from wflow.config.load import load

SCRIPT = "/accounts/local/workers/scripts/shop"
NAMESPACES = "/accounts/local/storage/kv/namespaces"
DATABASES = "/accounts/local/d1/database"
QUEUES = "/accounts/local/queues"

CONFIG = """\
name = "shop"
main = "worker.py"

[[kv_namespaces]]
binding = "KV" # ours

[[d1_databases]]
binding = "DB"

[[queues.producers]]
binding = "JOBS"

[env.staging]
"""


@pytest.fixture
def config(logged_in):
    logged_in.refuses("GET", f"{SCRIPT}/deployments", 404, code=10007, message="no such Worker")
    logged_in.refuses("GET", f"{SCRIPT}-staging/deployments", 404, code=10007, message="no such Worker")
    logged_in.gives("GET", NAMESPACES, [])
    logged_in.gives("POST", NAMESPACES, {"id": "f00", "title": "shop-kv"})
    logged_in.gives("GET", DATABASES, [{"uuid": "other", "name": "shop-db-old"}])
    logged_in.gives("POST", DATABASES, {"uuid": "d1", "name": "shop-db"})
    logged_in.gives("GET", QUEUES, [])
    logged_in.gives("POST", QUEUES, {"queue_id": "q", "queue_name": "shop-jobs"})
    Path("worker.py").write_text("")
    path = Path("wflow.toml")
    path.write_text(CONFIG)
    return path


def made(runner):
    return {one.path: one.json for one in runner.asked if one.method == "POST"}


def test_each_gets_what_is_called_after_the_worker_and_the_ids_are_written(config, logged_in, capsys):
    project = provision.provided(load())
    assert made(logged_in) == {
        NAMESPACES: {"title": "shop-kv"},
        DATABASES: {"name": "shop-db"},
        QUEUES: {"queue_name": "shop-jobs"},
    }
    assert (project.kv_namespaces[0].id, project.d1_databases[0].id) == ("f00", "d1")
    assert load().kv_namespaces == project.kv_namespaces
    assert load().d1_databases == project.d1_databases
    assert 'binding = "KV" # ours\nid = "f00"\n' in config.read_text()
    told = capsys.readouterr().err
    assert "env.KV is bound to the KV namespace shop-kv." in told
    assert "Wrote id of KV, database_name of DB, database_id of DB into wflow.toml." in told


def test_an_environment_gets_its_own(config, logged_in):
    provision.provided(load(environment="staging"))
    assert made(logged_in)[NAMESPACES] == {"title": "shop-staging-kv"}
    assert load(environment="staging").kv_namespaces[0].id == "f00"
    assert load().kv_namespaces[0].id is None
    assert "[[env.staging.kv_namespaces]]" in config.read_text()


def test_what_the_live_version_has_stays_what_it_is(config, logged_in):
    logged_in.gives("GET", f"{SCRIPT}/deployments", {"deployments": [{"versions": [{"version_id": "v7"}]}]})
    bindings = [
        {"type": "kv_namespace", "name": "KV", "namespace_id": "shop-kv"},
        {"type": "d1", "name": "DB", "database_id": "old", "database_name": "shop-db"},
    ]
    logged_in.gives("GET", f"{SCRIPT}/versions/v7", {"resources": {"bindings": bindings}})
    project = provision.provided(load())
    assert (project.kv_namespaces[0].id, project.d1_databases[0].id) == ("shop-kv", "old")
    assert set(made(logged_in)) == {QUEUES}


def test_what_a_deploy_left_that_broke_off_is_found_again(config, logged_in):
    logged_in.gives("GET", NAMESPACES, [{"id": "kept", "title": "shop-kv"}])
    logged_in.gives("GET", DATABASES, [{"uuid": "kept", "name": "shop-db"}])
    logged_in.gives("GET", QUEUES, [{"queue_id": "q", "queue_name": "shop-jobs"}])
    project = provision.provided(load())
    assert (project.kv_namespaces[0].id, project.d1_databases[0].id) == ("kept", "kept")
    assert made(logged_in) == {}


def test_a_file_that_cannot_be_written_is_told_and_the_deploy_goes_on(config, logged_in, capsys):
    config.write_text(
        'env = { staging = {} }\nname = "shop"\nmain = "worker.py"\nkv_namespaces = [{binding="KV"}]\n'
    )
    project = provision.provided(load(environment="staging"))
    assert project.kv_namespaces[0].id == "f00"
    told = capsys.readouterr().err
    assert "there is no telling where in `wflow.toml` this belongs" in told
    assert 'env.staging.kv_namespaces, binding KV: id = "f00"' in told


def test_a_runner_that_knows_no_resources_makes_them_itself(config, logged_in):
    for path in (NAMESPACES, DATABASES, QUEUES):
        logged_in.refuses("GET", path, 404, code=7003, message="nothing lies there")
    project = provision.provided(load())
    assert project.kv_namespaces[0].id is None
    assert config.read_text() == CONFIG


def test_a_refusal_stops_the_deploy_before_anything_is_written(config, logged_in, wflow):
    logged_in.refuses("POST", NAMESPACES, 429, code=10013, message="there are 1,000; that is the limit")
    ran = wflow("deploy")
    assert ran.code == 1
    assert "that is the limit" in ran.err
    assert config.read_text() == CONFIG


def test_a_dry_run_asks_nobody_and_writes_nothing(config, logged_in, wflow):
    ran = wflow("deploy", "--dry-run")
    assert ran.code == 0, ran.err
    assert logged_in.asked == []
    assert config.read_text() == CONFIG


def test_a_config_that_names_everything_asks_nobody(config, logged_in):
    config.write_text(
        CONFIG.replace('"DB"', '"DB"\ndatabase_id = "a"').replace('"JOBS"', '"JOBS"\nqueue = "b"')
    )
    with remote.connect() as api:
        assert provision.provide(api, load()).kv_namespaces[0].id == "f00"
    logged_in.asked.clear()
    assert provision.provided(load()) == load()
    assert logged_in.asked == []

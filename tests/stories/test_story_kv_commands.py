"""A person keeps namespaces and keys by the commands, of a dev session and of the state that it left."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.featured import open_project
from wflow.cli import app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.stories.processes import Process, World

OTHER = "0f2ac74b498b48028cb68387c421e279"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return open_project(tmp_path_factory.mktemp("commands"), "kv")


@pytest.fixture(scope="module")
def session(world: World) -> Iterator[Process]:
    with world.dev() as session:
        yield session


@pytest.fixture
def kv(
    world: World,
    session: Process,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., str]:
    """Run a `wflow kv` command in the project, against its session; gives what it printed."""
    monkeypatch.chdir(world.project)
    port = session.url.rpartition(":")[2]

    def run(*arguments: str, code: int = 0, local: bool = True) -> str:
        where = ["--local", "--port", port] if local else []
        monkeypatch.setattr(sys, "argv", ["wflow", "kv", *arguments, *where])
        ended = app.main()
        printed = capsys.readouterr()
        assert ended == code, printed.err
        return printed.out if code == 0 else printed.err

    return run


def test_a_key_is_put_got_listed_and_deleted(kv: Callable[..., str], world: World):
    kv("key", "put", "a/b é", "hello", "--binding", "KV", "--metadata", '{"by": "me"}', "--ttl", "3600")
    (world.project / "value.bin").write_bytes(b"bytes\r\n")
    kv("key", "put", "bytes", "--path", "value.bin", "--namespace-id", "kv-kv")
    assert kv("key", "get", "bytes", "--binding", "KV") == "bytes\r\n"
    assert kv("key", "get", "a/b é", "--binding", "KV", "--text") == "hello\n"
    first, second = json.loads(kv("key", "list", "--binding", "KV"))
    assert (first["name"], first["metadata"], second) == ("a/b é", {"by": "me"}, {"name": "bytes"})
    assert first["expiration"] > 0
    assert [key["name"] for key in json.loads(kv("key", "list", "--binding", "KV", "--prefix", "b"))] == [
        "bytes"
    ]
    for key in ("bytes", "a/b é", "bytes"):
        kv("key", "delete", key, "--binding", "KV")
    assert "key not found" in kv("key", "get", "bytes", "--binding", "KV", code=1)


def test_many_keys_go_by_file(kv: Callable[..., str], world: World):
    pairs: list[Any] = [{"key": f"k{n}", "value": str(n), "metadata": n} for n in range(1_050)]
    (world.project / "pairs.json").write_text(json.dumps(pairs))
    kv("bulk", "put", "pairs.json", "--binding", "OTHER")
    listed = json.loads(kv("key", "list", "--namespace-id", OTHER))
    assert len(listed) == 1_050
    (world.project / "keys.json").write_text(json.dumps([*listed, "none"]))
    got = json.loads(kv("bulk", "get", "keys.json", "--binding", "OTHER"))
    assert (got["k7"], got["none"], len(got)) == ({"value": "7"}, None, 1_051)
    kv("bulk", "delete", "keys.json", "--binding", "OTHER", "--force")
    assert json.loads(kv("key", "list", "--binding", "OTHER")) == []
    (world.project / "pairs.json").write_text('{"no": "array"}')
    assert "has no JSON array" in kv("bulk", "put", "pairs.json", "--binding", "OTHER", code=1)


def test_namespaces_are_created_renamed_and_deleted(kv: Callable[..., str]):
    told = kv("namespace", "create", "visits", "--binding", "VISITS")
    id_ = told.split('"')[3]
    assert told == f'kv_namespaces = [{{ binding = "VISITS", id = "{id_}" }}]\n'
    kv("namespace", "rename", "visits", "--new-name", "people")
    titles = {one["id"]: one["title"] for one in json.loads(kv("namespace", "list"))}
    assert titles == {id_: "people", OTHER: "kv-other", "kv-kv": "kv-kv"}
    assert "already exists" in kv("namespace", "create", "people", code=1)
    kv("namespace", "delete", "--namespace-id", id_, "-y")
    assert id_ not in kv("namespace", "list")


def test_what_is_said_wrong_is_told(kv: Callable[..., str]):
    assert "say which namespace" in kv("key", "list", code=1)
    assert "it has KV, OTHER" in kv("key", "list", "--binding", "NONE", code=1)
    assert "say what to put" in kv("key", "put", "a", "--binding", "KV", code=1)
    assert "namespace not found" in kv("key", "put", "a", "x", "--namespace-id", "none", code=1)
    assert "Expiration TTL must be at least 60" in kv(
        "key", "put", "a", "x", "--binding", "KV", "--ttl", "5", code=1
    )
    assert "`metadata` is no JSON" in kv("key", "put", "a", "x", "--binding", "KV", "--metadata", "{", code=1)
    assert "exclude each other" in kv("key", "list", "--binding", "KV", "--remote", code=1)
    assert "not logged in" in kv("key", "list", "--binding", "KV", code=1, local=False)


def test_the_state_that_a_session_left_is_asked_without_it(tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    world = open_project(tmp_path, "kv")
    with world.dev() as session:
        put = session.ask("POST", "/KV/put", content='{"args": ["left", "behind"]}')
        assert put.status_code == 200, put.text
    ran = world.wflow("kv", "key", "get", "left", "--binding", "KV", "--local", cwd=world.project)
    assert (ran.code, ran.out) == (0, "behind"), ran.err

"""Cloudflare's own client for Python makes, asks, exports and restores databases of a dev session."""

from __future__ import annotations

import importlib
from hashlib import md5
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.stories.processes import PLAIN, Process, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

HERE: dict[str, Any] = {"account_id": "local"}


@pytest.fixture(scope="module")
def cloudflare() -> ModuleType:
    # By its name: it is too big for the type checker to read, and for a collection to wait for.
    return importlib.import_module("cloudflare")


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with World(tmp_path_factory.mktemp("official-d1")).open_shop().dev() as session:
        yield session


@pytest.fixture(scope="module")
def databases(cloudflare: ModuleType, session: Process) -> Iterator[Any]:
    """Give `d1.database` of a client that raises an error for an answer that breaks its types."""
    with cloudflare.Cloudflare(
        base_url=f"{session.url}/client/v4",
        api_token="anything",
        max_retries=0,
        http_client=httpx.Client(**PLAIN),
        _strict_response_validation=True,
    ) as client:
        yield client.d1.database


def test_a_database_is_made_found_asked_and_deleted(databases: Any, cloudflare: ModuleType):
    made = databases.create(**HERE, name="official")
    assert [each.uuid for each in databases.list(**HERE, name="offic")] == [made.uuid]
    asked = {**HERE, "database_id": made.uuid}
    databases.query(**asked, sql="CREATE TABLE t (a, b); INSERT INTO t VALUES (1, x'00ff')")
    [answer] = databases.query(**asked, sql="SELECT * FROM t WHERE a = ?", params=[1]).result
    assert answer.results == [{"a": 1, "b": [0, 255]}]
    assert (answer.success, answer.meta.rows_read) == (True, 1)
    batch = [{"sql": "INSERT INTO t VALUES (?, 2)", "params": ["1"]}, {"sql": "SELECT count(*) AS c FROM t"}]
    assert databases.query(**asked, batch=batch).result[1].results == [{"c": 2}]
    [raw] = databases.raw(**asked, sql="SELECT a FROM t ORDER BY rowid").result
    assert (raw.results.columns, raw.results.rows) == (["a"], [[1], ["1"]])
    with pytest.raises(cloudflare.BadRequestError) as refused:
        databases.query(**asked, sql="SELECT * FROM nope")
    assert [(each.code, each.message) for each in refused.value.errors] == [
        (7500, "no such table: nope: SQLITE_ERROR")
    ]
    with pytest.raises(cloudflare.BadRequestError, match="already exists"):
        databases.create(**HERE, name="official")
    found = databases.get(**asked)
    assert (found.name, found.num_tables, found.version) == ("official", 1, "production")
    assert databases.edit(**asked, read_replication={"mode": "disabled"}).uuid == made.uuid
    databases.delete(**asked)
    with pytest.raises(cloudflare.NotFoundError):
        databases.get(**asked)


def test_a_database_goes_back_in_time(databases: Any):
    asked = {**HERE, "database_id": databases.create(**HERE, name="traveller").uuid}
    databases.query(**asked, sql="CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    bookmark = databases.time_travel.get_bookmark(**asked).bookmark
    databases.query(**asked, sql="DELETE FROM t")
    restored = databases.time_travel.restore(**asked, bookmark=bookmark)
    assert restored.previous_bookmark < restored.bookmark
    [answer] = databases.query(**asked, sql="SELECT a FROM t").result
    assert answer.results == [{"a": 1}]


def test_a_database_is_exported_and_imported(databases: Any, session: Process):
    asked = {**HERE, "database_id": databases.create(**HERE, name="source").uuid}
    databases.query(**asked, sql="CREATE TABLE t (a); INSERT INTO t VALUES ('it''s')")
    exported = databases.export(**asked, output_format="polling")
    assert exported.status == "complete"
    with httpx.Client(**PLAIN) as plain:
        text = plain.get(exported.result.signed_url).text
        asked["database_id"] = databases.create(**HERE, name="target").uuid
        etag = md5(text.encode(), usedforsecurity=False).hexdigest()
        begun = databases.import_(**asked, action="init", etag=etag)
        assert plain.put(begun.upload_url, content=text).headers["etag"] == f'"{etag}"'
    done = databases.import_(**asked, action="ingest", etag=etag, filename=begun.filename)
    assert (done.status, done.result.num_queries) == ("complete", 3)
    [answer] = databases.query(**asked, sql="SELECT a FROM t").result
    assert answer.results == [{"a": "it's"}]
    again = databases.import_(**asked, action="poll", current_bookmark=done.at_bookmark)
    assert again.result.final_bookmark == done.result.final_bookmark


def test_files_go_in_and_out_of_a_runner_by_signed_addresses_alone(
    cloudflare: ModuleType, tmp_path_factory: pytest.TempPathFactory
):
    world = World(tmp_path_factory.mktemp("signed-d1")).open_shop()
    with world.runner() as runner, httpx.Client(**PLAIN) as plain:
        with cloudflare.Cloudflare(
            base_url=f"{runner.url}/client/v4",
            api_token=runner.out.strip(),
            max_retries=0,
            http_client=httpx.Client(**PLAIN),
        ) as client:
            databases = client.d1.database
            asked = {**HERE, "database_id": databases.create(**HERE, name="signed").uuid}
            text = "CREATE TABLE t (a); INSERT INTO t VALUES (1);"
            etag = md5(text.encode(), usedforsecurity=False).hexdigest()
            url = databases.import_(**asked, action="init", etag=etag).upload_url
            assert plain.put(url.partition("?")[0], content=text).status_code == 401
            assert plain.put(url, content=text).status_code == 200
            assert plain.get(url).status_code in {401, 405}
            databases.import_(**asked, action="ingest", etag=etag, filename=f"{etag}.sql")
            out = databases.export(**asked, output_format="polling").result.signed_url
        assert "INSERT INTO" in plain.get(out).text
        assert plain.get(out.partition("?")[0]).status_code == 401


def test_what_breaks_a_rule_is_refused_with_its_number(session: Process):
    def ask(method: str, path: str, **more: Any) -> tuple[int, int]:
        answer = session.ask(method, f"/client/v4/accounts/local/d1/database{path}", **more)
        return answer.status_code, answer.json()["errors"][0]["code"]

    made = session.ask("POST", "/client/v4/accounts/local/d1/database", json={"name": "rules"}).json()
    at = f"/{made['result']['uuid']}"
    for name in ("", "-x", "a b", "x" * 65, "ü"):
        assert ask("POST", "", json={"name": name}) == (400, 10026)
    assert ask("POST", "", json={"name": "rules"}) == (400, 7502)
    wrong: list[object] = [
        {},
        {"sql": 1},
        {"sql": "", "batch": []},
        {"batch": [{}]},
        [],
        {"sql": "SELECT ?", "params": [{}]},
    ]
    for body in wrong:
        assert ask("POST", f"{at}/query", json=body) == (400, 10026)
    for sql in ("", "SELECT ?", "SELEC 1", "BEGIN", "SELECT 1; ATTACH 'x' AS y"):
        assert ask("POST", f"{at}/raw", json={"sql": sql}) == (400, 7500)
    assert ask("POST", f"{at}/query", content=b"x" * (17 * 1024 * 1024)) == (413, 10413)
    assert ask("POST", "/nope/query", json={"sql": "SELECT 1"}) == (404, 7404)
    assert ask("DELETE", "/nope") == (404, 7404)
    assert ask("POST", f"{at}/time_travel/restore") == (400, 10026)
    assert ask("POST", f"{at}/time_travel/restore?bookmark=x") == (400, 7500)
    assert ask("GET", f"{at}/time_travel/bookmark?timestamp=2001-01-01") == (400, 7500)
    assert ask("GET", f"{at}/export/{'0' * 32}.sql") == (400, 10026)
    assert ask("PUT", f"{at}/import/{'0' * 32}.sql", content=b"SELECT 1") == (400, 10026)
    assert ask("POST", f"{at}/import", json={"action": "ingest", "etag": "0" * 32, "filename": "x"}) == (
        400,
        10026,
    )
    assert ask("POST", f"{at}/export", json={"current_bookmark": "x"}) == (400, 10026)

"""The API's KV namespaces: made, listed, renamed, and deleted with all that is in them."""

from __future__ import annotations

import pytest

from tests.server.small_host import problem, result
from wflow.bindings import kv_namespaces

ROOT = "/storage/kv/namespaces"


def create(house, title: str) -> str:
    id_: str = result(house.api("POST", ROOT, json={"title": title}))["id"]
    return id_


def test_namespaces_are_listed_in_pages_and_in_order(house):
    made = {create(house, title): title for title in ("b", "a", "c")}
    assert [one["id"] for one in house.get(ROOT)] == sorted(made)
    listed = house.api("GET", ROOT, params={"order": "title", "direction": "desc", "per_page": 2, "page": 2})
    assert [one["title"] for one in result(listed)] == ["a"]
    assert listed.json()["result_info"] == {"page": 2, "per_page": 2, "count": 1, "total_count": 3}


def test_a_title_is_given_once(house):
    id_ = create(house, "mine")
    other = create(house, "other")
    assert problem(house.api("POST", ROOT, json={"title": "mine"}))[:2] == (400, 10014)
    assert problem(house.api("PUT", f"{ROOT}/{other}", json={"title": "mine"}))[:2] == (400, 10014)
    assert result(house.api("PUT", f"{ROOT}/{id_}", json={"title": "mine"}))["title"] == "mine"


@pytest.mark.parametrize("title", ["", "x" * 513, "a\nb", 5, None])
def test_a_wrong_title_is_refused(house, title):
    assert problem(house.api("POST", ROOT, json={"title": title}))[0] == 400
    assert house.get(ROOT) == []


def test_there_are_only_so_many(house, monkeypatch):
    monkeypatch.setattr(kv_namespaces, "NAMESPACES", 1)
    create(house, "one")
    assert problem(house.api("POST", ROOT, json={"title": "two"}))[0] == 429


def test_a_deletion_takes_all_keys_along_and_goes_on_after_a_death(house, monkeypatch):
    monkeypatch.setattr(kv_namespaces, "REMOVED", 2)
    store, now = house.host.store, house.host.now()
    left, other = create(house, "left"), create(house, "other")
    for id_ in (left, other):
        for number in range(5):
            more = "?expiration_ttl=60" if number == 4 else ""
            result(house.api("PUT", f"{ROOT}/{id_}/values/{number}{more}", content=b"x"))
    record = kv_namespaces.Record(id=left, title="left", going=True)
    house.run(kv_namespaces._write(store, record))
    assert [one["id"] for one in house.get(ROOT)] == [other]
    assert problem(house.api("GET", f"{ROOT}/{left}/values/1"))[0] == 404
    result(house.api("DELETE", f"{ROOT}/{other}"))
    assert house.get(ROOT) == []
    for id_ in (left, other):
        assert house.run(store.scan(f"kv:{id_}", now=0)) == []
    assert house.run(kv_namespaces.ensure(store, left, "again", now=now))
    assert not house.run(kv_namespaces.ensure(store, left, "never", now=now))
    assert house.get(f"{ROOT}/{left}")["title"] == "again"

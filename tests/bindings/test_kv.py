"""KV, from the stub through the provider to the disk."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest

from tests.bindings.small_control import NOON, link
from wflow.bindings import kv
from wflow.bindings.binding import Called
from wflow.errors import InvalidInput, TooLarge, TooMany
from wflow.runner import tidying
from wflow.stores.store import Pressure


async def refused(coroutine, error=InvalidInput):
    with pytest.raises(error) as raised:
        await coroutine
    return raised.value.message


def test_what_is_put_comes_back_as_text_bytes_or_json(on_kv):
    async def story(control, store):
        await store.put("a", json.dumps({"n": [1, "é"]}))
        assert await store.get("a") == '{"n": [1, "\\u00e9"]}'
        assert await store.get("a", "json") == {"n": [1, "é"]}
        assert await store.get("a", type="bytes") == b'{"n": [1, "\\u00e9"]}'
        for raw in (b"\xff\0", bytearray(b"\xff\0"), memoryview(b"\xff\0")):
            await store.put("b", raw)
            assert await store.get("b", "bytes") == b"\xff\0"
        assert await store.get("b") == "�\0"
        await store.put("empty", "")
        assert await store.get("empty") == ""

    on_kv(story)


def test_a_key_that_is_not_there_is_none(on_kv):
    async def story(control, store):
        assert await store.get("nothing") is None
        found = await store.get_with_metadata("nothing")
        assert dict(found) == {"value": None, "metadata": None, "cacheStatus": None}
        await store.delete("nothing")

    on_kv(story)


def test_the_last_write_wins_and_a_deleted_key_is_gone(on_kv):
    async def story(control, store):
        await store.put("a", "1", metadata={"v": 1})
        await store.put("a", "2")
        found = await store.get_with_metadata("a")
        assert (found.value, found.metadata) == ("2", None)
        await store.delete("a")
        assert await store.get("a") is None

    on_kv(story)


def test_namespaces_do_not_see_each_other(on_kv):
    async def story(control, store):
        other = link(kv, control, "other")
        await store.put("a", "1")
        assert await other.get("a") is None
        assert (await other.list()).keys == []

    on_kv(story)


def test_metadata_is_any_json(on_kv):
    async def story(control, store):
        await store.put("a", "1", metadata={"by": "me", "n": [1, None]})
        found = await store.get_with_metadata("a", "json")
        assert (found.value, found.metadata) == (1, {"by": "me", "n": [1, None]})
        assert found["metadata"] == found.metadata

    on_kv(story)


def test_a_key_expires(on_kv):
    async def story(control, store):
        await store.put("ttl", "1", expiration_ttl=60)
        await store.put("at", "1", expiration=NOON // 1000 + 90)
        (at, ttl) = (await store.list()).keys
        assert (at.expiration, ttl.expiration) == (NOON // 1000 + 90, NOON // 1000 + 60)
        control.at += 59_999
        assert await store.get("ttl") == "1"
        control.at += 1
        assert await store.get("ttl") is None
        assert [key.name for key in (await store.list()).keys] == ["at"]
        await store.put("at", "2")
        control.at += 10**9
        assert await store.get("at") == "2", "a new value has no expiration of the old one"

    on_kv(story)


@pytest.mark.parametrize("ttl", [59, 0, -1, True, 60.5, "60", 10**18, 10**40])
def test_a_wrong_ttl_is_refused(on_kv, ttl):
    async def story(control, store):
        told = await refused(store.put("a", "1", expiration_ttl=ttl))
        assert told.startswith("KV PUT failed: 400 Invalid expiration_ttl of ")
        assert told.endswith("Expiration TTL must be at least 60.")
        assert await store.get("a") is None

    on_kv(story)


@pytest.mark.parametrize("at", [NOON // 1000 + 59, 0, -5, True, "tomorrow", 10**18])
def test_a_wrong_expiration_is_refused(on_kv, at):
    async def story(control, store):
        told = await refused(store.put("a", "1", expiration=at))
        assert told.startswith("KV PUT failed: 400 Invalid expiration of ")
        assert told.endswith("must be at least 60 seconds in the future.")

    on_kv(story)


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("", "400 a key is text of at least one character, not ''"),
        (5, "400 a key is text of at least one character, not 5"),
        (None, "400 a key is text of at least one character, not None"),
        (".", '400 "." is not allowed as a key'),
        ("..", '400 ".." is not allowed as a key'),
        ("é" * 257, "414 UTF-8 encoded length of 514 exceeds key length limit of 512."),
    ],
)
def test_a_wrong_key_is_refused(on_kv, key, told):
    async def story(control, store):
        assert await refused(store.get(key)) == f"KV GET failed: {told}"
        assert await refused(store.put(key, "1")) == f"KV PUT failed: {told}"
        assert await refused(store.delete(key)) == f"KV DELETE failed: {told}"

    on_kv(story)


def test_the_longest_key_is_accepted(on_kv):
    async def story(control, store):
        await store.put("é" * 256, "1")
        assert await store.get("é" * 256) == "1"

    on_kv(story)


def test_values_and_metadata_have_limits(on_kv):
    async def story(control, store):
        limit = 25 * 1024 * 1024
        told = await refused(store.put("a", bytes(limit + 1)), TooLarge)
        assert told == "KV PUT failed: 413 Value length of 26214401 exceeds limit of 26214400."
        call = Called(method="put", arguments=["a", bytes(limit + 1), None, None, None])
        with pytest.raises(TooLarge, match="26214401"):
            await kv.serve(control, "shop", call)
        told = await refused(store.put("a", "1", metadata="x" * 1_023), TooLarge)
        assert told == "KV PUT failed: 413 Metadata length of 1025 exceeds limit of 1024."
        await store.put("a", "1", metadata="x" * 1_022)
        assert (await store.get_with_metadata("a")).metadata == "x" * 1_022

    on_kv(story)


@pytest.mark.parametrize("value", [{"a": 1}, 5, None, ["x"]])
def test_a_value_is_text_or_bytes(on_kv, value):
    async def story(control, store):
        assert "a value is text or bytes, not" in await refused(store.put("a", value))

    on_kv(story)


def test_a_type_is_one_of_five_and_json_must_be_json(on_kv):
    async def story(control, store):
        await store.put("a", "no json")
        told = "KV GET failed: 400 a type is one of text, json, bytes, arrayBuffer, stream, not 'blob'"
        assert await refused(store.get("a", "blob")) == told
        assert await refused(store.get_with_metadata("a", type="blob")) == told
        told = await refused(store.get("a", "json"))
        assert told.startswith("KV GET failed: the value of 'a' is no JSON")

    on_kv(story)


def test_keys_are_listed_in_utf8_order_by_prefix(on_kv):
    async def story(control, store):
        for key in ("b", "a:2", "a:10", "a:é", "a", "a;", "\U0001f600", "\uff5e"):
            await store.put(key, "1")
        listed = await store.list()
        assert [key.name for key in listed.keys] == [
            "a",
            "a:10",
            "a:2",
            "a:é",
            "a;",
            "b",
            "\uff5e",
            "\U0001f600",
        ]
        assert listed.list_complete is True
        assert listed.cursor is None
        assert [key["name"] for key in (await store.list(prefix="a:"))["keys"]] == ["a:10", "a:2", "a:é"]
        assert (await store.list(prefix="zz")).keys == []

    on_kv(story)


def test_a_long_list_comes_in_pages(on_kv):
    async def story(control, store):
        await asyncio.gather(*(store.put(f"k{n:03}", "1", metadata=n) for n in range(25)))
        names, cursor, pages = [], None, 0
        while True:
            page = await store.list(prefix="k", limit=10, cursor=cursor)
            names += [key.name for key in page.keys]
            pages += 1
            if page.list_complete:
                break
            cursor = page.cursor
        assert names == [f"k{n:03}" for n in range(25)]
        assert pages == 3
        assert (await store.list(limit=25)).list_complete

    on_kv(story)


def test_a_listed_key_has_only_what_it_has(on_kv):
    async def story(control, store):
        await store.put("a", "1")
        await store.put("b", "1", metadata=0, expiration_ttl=60)
        a, b = (await store.list()).keys
        assert dict(a) == {"name": "a"}
        assert dict(b) == {"name": "b", "metadata": 0, "expiration": NOON // 1000 + 60}

    on_kv(story)


@pytest.mark.parametrize("limit", [0, 1_001, -1, True, "5", None, 2.0])
def test_a_wrong_limit_is_refused(on_kv, limit):
    async def story(control, store):
        told = await refused(store.list(limit=limit))
        assert told.startswith("KV LIST failed: 400 Invalid key_count_limit of ")
        assert told.endswith("It must be 1 to 1000.")

    on_kv(story)


def test_a_wrong_prefix_or_cursor_is_refused(on_kv):
    async def story(control, store):
        assert await refused(store.list(prefix=5)) == "KV LIST failed: 400 prefix and cursor must be text"
        assert await refused(store.list(cursor=5)) == "KV LIST failed: 400 prefix and cursor must be text"

    on_kv(story)


def test_a_cursor_is_one_that_a_list_gave(on_kv):
    async def story(control, store):
        for cursor in ("a", "é", "YQ", "////"):
            told = await refused(store.list(cursor=cursor))
            assert told == f"KV LIST failed: 400 Invalid cursor {cursor!r}: give one that a list gave"
        assert (await store.list(cursor="")).keys == []

    on_kv(story)


def test_a_value_may_come_and_go_as_a_stream(on_kv):
    async def pieces():
        for piece in ("é", b"\xff", bytearray(b"b"), memoryview(b"c" * 100_000)):
            yield piece

    async def story(control, store):
        await store.put("a", pieces())
        stream = await store.get("a", "stream")
        got = [piece async for piece in stream]
        assert b"".join(got) == "é".encode() + b"\xffb" + b"c" * 100_000
        assert max(map(len, got)) < 100_000
        assert await stream.read() == b""
        assert len(await (await store.get_with_metadata("a", type="stream")).value.read()) == 100_004
        await store.put("a", iter(["one", b"two"]))
        assert await store.get("a", "arrayBuffer") == b"onetwo"
        assert await store.get("none", "stream") is None
        assert "a stream gives text or bytes, not int" in await refused(store.put("a", iter([1])))
        told = await refused(store.put("a", iter([bytes(25 * 1024 * 1024), b"x"])), TooLarge)
        assert told == "KV PUT failed: 413 Value length of 26214401 exceeds limit of 26214400."
        assert await store.get("a") == "onetwo"

    on_kv(story)


def test_options_are_keywords_a_mapping_or_an_object_in_either_spelling(on_kv):
    async def story(control, store):
        until = NOON // 1000 + 60
        for options in ({"expirationTtl": 60}, {"expiration_ttl": 60}, SimpleNamespace(expirationTtl=60)):
            await store.put("a", "[1]", options)
            assert (await store.list()).keys[0].expiration == until
            await store.put("a", "[1]")
        await store.put("a", "[1]", expirationTtl=60, metadata=2)
        assert (await store.list({"prefix": "a", "limit": 1})).keys[0].metadata == 2
        for wanted in ({"type": "json", "cacheTtl": 30}, SimpleNamespace(type="json")):
            assert await store.get("a", wanted) == [1]
            assert (await store.getWithMetadata("a", wanted)).value == [1]
        assert await store.get("a", "json", cache_ttl=30) == [1]
        assert await store.get("a", {"cacheTtl": 60}) == "[1]"
        assert (await store.getWithMetadata("a")).cache_status is None
        assert await store.get("a", type="json") == await store.get(key="a", type="json") == [1]
        assert await refused(store.put("a", "1", ttl=60)) == (
            "put has no option 'ttl'; it takes expiration, expiration_ttl, metadata"
        )
        assert "list takes its options as keywords, or as a mapping, not 5" in await refused(store.list(5))
        assert await refused(store.get("a", cacheTtl=29)) == (
            "KV GET failed: 400 Invalid cache_ttl of 29. Cache TTL must be at least 30."
        )

    on_kv(story)


def test_many_keys_are_got_at_once(on_kv):
    async def story(control, store):
        await store.put("a", "1", metadata="m")
        await store.put("b", "[2]")
        assert await store.get(["b", "none", "a", "b"]) == {"b": "[2]", "none": None, "a": "1"}
        assert await store.get(("a", "b"), "json") == {"a": 1, "b": [2]}
        told = await store.get_with_metadata(["a", "none"])
        assert {key: (one.value, one.metadata) for key, one in told.items()} == {
            "a": ("1", "m"),
            "none": (None, None),
        }
        assert len(await store.get([f"k{n}" for n in range(100)])) == 100
        prefix = "KV GET_BULK failed: "
        for asked, why in (
            ([], "400 You must request a minimum of 1 key"),
            ([f"k{n}" for n in range(101)], "400 You can request a maximum of 100 keys"),
            (["a", ""], "400 a key is text of at least one character, not ''"),
            (["a", "k" * 513], "414 UTF-8 encoded length of 513 exceeds key length limit of 512."),
        ):
            assert await refused(store.get(asked)) == prefix + why
        told = await refused(store.get(["a"], "stream"))
        assert told == prefix + '400 "stream" is not a valid type. Use "json" or "text"'
        await store.put("big", bytes(25 * 1024 * 1024))
        told = await refused(store.get(["a", "big"]), TooLarge)
        assert told == prefix + "413 Total size of request exceeds the limit of 25MB"
        assert len(await store.get("big", "bytes")) == 25 * 1024 * 1024

    on_kv(story)


def test_a_write_is_refused_while_the_disk_is_behind(on_kv):
    class Behind:
        def __init__(self, store):
            self.store = store
            self.pressure = Pressure(jobs=9, bytes=9, share=1)

        def __getattr__(self, name):
            return getattr(self.store, name)

    async def story(control, store):
        await store.put("a", "1")
        control._store = Behind(control._store)
        assert await refused(store.put("a", "2"), TooMany) == (
            "KV PUT failed: 429 Too Many Requests: the disk is behind"
        )
        assert (await refused(store.delete("a"), TooMany)).startswith("KV DELETE failed: 429")
        assert await store.get("a") == "1"

    on_kv(story)


def test_what_has_expired_is_swept_from_the_disk(on_kv):
    async def story(control, store):
        for number in range(5):
            await store.put(f"k{number}", "1", expiration_ttl=60 + number)
        control.at += 62_000
        await tidying.trim(control.store, control.now)
        left = await control.store.scan("kv:shop", now=0)
        assert [cell.key for cell in left] == ["k3", "k4"]

    on_kv(story)


def test_a_listing_is_json_ready_and_a_dict_all_the_same(on_kv):
    async def story(control, store):
        await store.put("a", "1")
        listed = await store.list()
        assert json.loads(json.dumps(listed)) == {
            "keys": [{"name": "a"}],
            "list_complete": True,
            "cursor": None,
        }
        assert dict(listed) == {**listed}

    on_kv(story)


def test_a_method_that_is_not_there_is_refused(on_kv):
    async def story(control, store):
        assert "KV has no method 'increment'" in await refused(
            kv.serve(control, "shop", Called(method="increment", arguments=["a"]))
        )
        assert "with 3 arguments" in await refused(
            kv.serve(control, "shop", Called(method="get", arguments=["a", 1, 2]))
        )

    on_kv(story)

from __future__ import annotations

import pytest

from wflow.config.insertion import (
    Unfit,
    added_in_json,
    added_in_toml,
    beside_in_json,
    beside_in_toml,
)

ID = {"id": "f00"}


@pytest.mark.parametrize(
    ("text", "place", "after"),
    [
        (
            '[[kv]]\n  binding = "KV" # ours\n  more = 1\n# end\n',
            ("kv", 0),
            '[[kv]]\n  binding = "KV" # ours\n  id = "f00"\n  more = 1\n# end\n',
        ),
        ('[[kv]]\nbinding = "KV"', ("kv", 0), '[[kv]]\nbinding = "KV"\nid = "f00"'),
        (
            "[[kv]]\n[[kv]]\nbinding='KV'\n\n[x]\n",
            ("kv", 1),
            "[[kv]]\n[[kv]]\nbinding='KV'\nid = \"f00\"\n\n[x]\n",
        ),
        (
            'kv = [{ binding = "A" }, # one\n {binding="B",x=1}]\n',
            ("kv", 1),
            'kv = [{ binding = "A" }, # one\n {binding="B", id = "f00",x=1}]\n',
        ),
        (
            '[env.a]\nqueues = { producers = [{ binding = "Q" }] }',
            ("env", "a", "queues", "producers", 0),
            '[env.a]\nqueues = { producers = [{ binding = "Q", id = "f00" }] }',
        ),
    ],
)
def test_a_key_stands_behind_its_binding_in_toml(text, place, after):
    assert beside_in_toml(text, place, ID) == after


@pytest.mark.parametrize(
    ("text", "place", "after"),
    [
        ("a = 1\n", ("env", "x", "kv"), 'a = 1\n\n[[env.x.kv]]\nbinding = "KV"\nn = 5\n'),
        ("a = 1", ("env", "x", "kv"), 'a = 1\n\n[[env.x.kv]]\nbinding = "KV"\nn = 5\n'),
        ("[env.x]\nkv = []\n", ("env", "x", "kv"), '[env.x]\nkv = [{ binding = "KV", n = 5 }]\n'),
        (
            "[env.x]\nkv = [\n  {a=1}, # one\n]\n",
            ("env", "x", "kv"),
            '[env.x]\nkv = [\n  {a=1},\n  { binding = "KV", n = 5 }, # one\n]\n',
        ),
        ("[env.x]\nkv = [{a=1}]", ("env", "x", "kv"), '[env.x]\nkv = [{a=1}, { binding = "KV", n = 5 }]'),
    ],
)
def test_an_entry_is_added_in_toml(text, place, after):
    assert added_in_toml(text, place, {"binding": "KV", "n": 5}) == after


@pytest.mark.parametrize(
    ("entry", "after"),
    [
        ('{ "binding": "KV" }', '{ "binding": "KV", "id": "f00" }'),
        ('{"binding":"KV","x":1}', '{"binding":"KV", "id": "f00","x":1}'),
        ('{\n    "binding": "KV"\n  }', '{\n    "binding": "KV",\n    "id": "f00"\n  }'),
        ('{\n\t"binding": "KV", // ours\n\t}', '{\n\t"binding": "KV", // ours\n\t"id": "f00",\n\t}'),
        ('{\n "binding": "KV" // ours\n}', '{\n "binding": "KV", // ours\n "id": "f00"\n}'),
        (
            '{\n "binding": "KV", /* a */\n "x": 1 }',
            '{\n "binding": "KV", /* a */\n "id": "f00",\n "x": 1 }',
        ),
        ('{\n "x": 1, "binding": "KV", "y": 2\n}', '{\n "x": 1, "binding": "KV", "id": "f00", "y": 2\n}'),
    ],
)
def test_a_key_stands_behind_its_binding_in_json(entry, after):
    text = f'// top\n{{ "kv": [{entry}] }}\n'
    assert beside_in_json(text, ("kv", 0), ID) == f'// top\n{{ "kv": [{after}] }}\n'


@pytest.mark.parametrize(
    ("inside", "after"),
    [
        ("{}", '{ "q": { "p": [{ "binding": "KV" }] } }'),
        ('{ "x": 1 }', '{ "q": { "p": [{ "binding": "KV" }] }, "x": 1 }'),
        ('{\n  "x": 1\n}', '{\n  "q": { "p": [{ "binding": "KV" }] },\n  "x": 1\n}'),
        ('{ "q": {} }', '{ "q": { "p": [{ "binding": "KV" }] } }'),
        ('{ "q": { "p": [] } }', '{ "q": { "p": [{ "binding": "KV" }] } }'),
        ('{ "q": { "p": [1] } }', '{ "q": { "p": [1, { "binding": "KV" }] } }'),
        (
            '{ "q": { "p": [\n    {}, // one\n  ] } }',
            '{ "q": { "p": [\n    {},\n    { "binding": "KV" }, // one\n  ] } }',
        ),
    ],
)
def test_an_entry_is_added_in_json(inside, after):
    text = f'{{ "env": {{ "a": {inside} }} }}'
    found = added_in_json(text, ("env", "a", "q", "p"), {"binding": "KV"})
    assert found == f'{{ "env": {{ "a": {after} }} }}'


def test_what_has_no_place_is_told():
    with pytest.raises(Unfit):
        beside_in_toml("a = 1", ("kv", 0), ID)
    with pytest.raises(Unfit):
        beside_in_json("{}", ("kv", 0), ID)
    with pytest.raises(Unfit):
        added_in_json("{}", ("env", "a", "kv"), ID)

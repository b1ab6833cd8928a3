from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import tomlkit

from wflow.config import wrangler
from wflow.config.keys import keys_of
from wflow.config.model import Project
from wflow.config.schema import schema

EVERYTHING = Path(__file__).with_name("everything.toml").read_text()
TYPES = {"string": str, "integer": int, "object": dict, "array": list, "null": type(None)}


def wrong(value: Any, shape: dict[str, Any], place: str = "") -> list[str]:
    """Say what of a value does not fit a schema: as much of JSON Schema as ours uses."""
    if "anyOf" in shape:
        return [] if any(not wrong(value, one) for one in shape["anyOf"]) else [place]
    kinds = shape.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(isinstance(value, TYPES[kind]) for kind in kinds):
        return [place]
    if "enum" in shape:
        return [] if value in shape["enum"] else [place]
    if isinstance(value, dict):
        known, more = shape.get("properties", {}), shape.get("additionalProperties", True)
        found = [f"{place}.{name}" for name in shape.get("required", []) if name not in value]
        for name, child in value.items():
            inner = known.get(name, more if isinstance(more, dict) else {})
            if name not in known and more is False:
                found.append(f"{place}.{name}")
            found += wrong(child, inner, f"{place}.{name}")
        return found
    if isinstance(value, list):
        items = shape.get("items", {})
        return [each for n, one in enumerate(value) for each in wrong(one, items, f"{place}[{n}]")]
    if isinstance(value, str):
        fits = re.search(shape.get("pattern", ""), value) and len(value) >= shape.get("minLength", 0)
        return [] if fits else [place]
    return [] if shape.get("minimum", value) <= value <= shape.get("maximum", value) else [place]


def test_a_config_with_everything_fits():
    assert wrong(tomlkit.parse(EVERYTHING).unwrap(), schema()) == []


def test_an_environment_needs_nothing_and_may_say_what_the_top_may():
    config = {"name": "a", "main": "a.py", "env": {"b": {}, "c": {"vars": {"A": 1}, "name": "d"}}}
    assert wrong(config, schema()) == []
    config["env"] = {"b": {"dev": {}, "nmae": "x", "workflows": [{"binding": "A"}]}}
    assert wrong(config, schema()) == [
        ".env.b.dev",
        ".env.b.nmae",
        ".env.b.workflows[0].name",
        ".env.b.workflows[0].class_name",
    ]


def test_what_breaks_a_rule_does_not_fit():
    config = {
        "name": "No Name",
        "main": "a.js",
        "dev": {"port": 65_536},
        "queues": {"consumers": [{"queue": "a", "type": "push", "max_batch_size": 0}], "more": 1},
        "kv_namespaces": {},
    }
    assert sorted(wrong(config, schema())) == [
        ".dev.port",
        ".kv_namespaces",
        ".main",
        ".name",
        ".queues.consumers[0].max_batch_size",
        ".queues.consumers[0].type",
        ".queues.more",
    ]


def test_every_key_is_in_it_and_wranglers_harmless_ones_too():
    known = schema()["properties"]
    assert {key.way[0] for _, key in keys_of(Project)} <= set(known)
    assert wrangler.IGNORED["Project"] <= set(known)
    assert not wrangler.UNSERVED["Project"] & set(known)

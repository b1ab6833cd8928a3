from __future__ import annotations

import pytest

from wflow.config import jsonc, model, wrangler
from wflow.config.keys import keys_of

TABLES = sorted({*wrangler.IGNORED, *wrangler.UNSERVED})


@pytest.mark.parametrize("table", TABLES)
def test_no_key_is_both_served_and_not(table: str):
    fields = {known.way[0] for _, known in keys_of(getattr(model, table))}
    ignored = wrangler.IGNORED.get(table, frozenset[str]())
    unserved = wrangler.UNSERVED.get(table, frozenset[str]())
    assert not fields & ignored
    assert not fields & unserved
    assert not ignored & unserved


@pytest.mark.parametrize("key", ["vectorize", "hyperdrive", "durable_objects", "r2_buckets", "ai", "assets"])
def test_a_binding_that_code_would_miss_is_not_passed_over(key: str):
    assert key in wrangler.UNSERVED["Project"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"r2_buckets": [{"binding": "A", "bucket_name": "a"}, {"binding": "B"}]', {"A", "B"}),
        ('"ai": {"binding": "AI"}, "send_email": [{"name": "MAIL"}]', {"AI", "MAIL"}),
        ('"durable_objects": {"bindings": [{"name": "ROOM", "class_name": "Room"}]}', {"ROOM"}),
        ('"exports": {"inner": [{"binding": "Q"}, {"queue": "q"}]}', {"Q"}),
        ('"r2_buckets": [{"binding": 5}, "x", null], "site": null, "assets": []', set()),
        ('"kv_namespaces": [{"binding": "KV"}], "unheard_of": [{"binding": "X"}]', set()),
        ('"containers": [{"name": "box", "class_name": "Box"}]', set()),
    ],
)
def test_the_bindings_that_wflow_does_not_serve_are_found_under_whatever_key(text: str, names: set[str]):
    assert set(wrangler.unserved(jsonc.parse(f"{{{text}}}", "x"))) == names

from __future__ import annotations

import pytest

from wflow.config import model, wrangler
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


@pytest.mark.parametrize(
    "key", ["d1_databases", "queues", "triggers", "services", "durable_objects", "r2_buckets", "ai", "assets"]
)
def test_a_binding_that_code_would_miss_is_not_passed_over(key: str):
    assert key in wrangler.UNSERVED["Project"]

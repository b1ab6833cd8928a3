from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest

from wflow.engine import values
from wflow.errors import InvalidInput
from wflow.runner.keyed import key

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


def read(way: str, params: Any) -> str | None:
    return key(way, values.encode(params))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("ann", "ann"),
        ("", ""),
        (7, "7"),
        (7.0, "7"),
        (1.5, "1.5"),
        (-0.0, "0"),
        (True, "true"),
        (False, "false"),
        (2**70, str(2**70)),
        (UUID, str(UUID)),
        (Decimal("1.20"), "1.20"),
        (None, None),
    ],
)
def test_a_scalar_becomes_text(given: object, text: str | None):
    assert read("customer.id", {"customer": {"id": given}}) == text


@pytest.mark.parametrize("params", [{}, None, {"customer": None}, {"customer": {}}, {"id": 1}])
def test_what_is_missing_or_null_is_no_key(params: object):
    assert read("customer.id", params) is None


@pytest.mark.parametrize(
    ("params", "problem"),
    [
        ({"customer": {"id": [1]}}, "no concurrency key at `params.customer.id`: it is "),
        ({"customer": {"id": {}}}, "no concurrency key at `params.customer.id`: it is "),
        ({"customer": "ann"}, "`params.customer` is 'ann', and so has no `id`"),
        ([1], "`params` is [1], and so has no `customer`"),
        ({"customer": {"id": "x" * 257}}, "it has 257 characters; the limit is 256"),
    ],
)
def test_anything_else_is_refused_and_said_why(params: object, problem: str):
    with pytest.raises(InvalidInput) as caught:
        read("customer.id", params)
    assert problem in caught.value.message
    assert caught.value.hint is not None

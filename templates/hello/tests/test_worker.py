"""Tests of this project, which runs in the process of the test."""

from __future__ import annotations

import pytest
from wflow.testing import Kit


@pytest.mark.parametrize(
    ("path", "greeting"),
    [("/", "Hello, world!"), ("/?name=Ada", "Hello, Ada!"), ("/?name=a%20b", "Hello, a b!")],
)
async def test_it_greets(wflow: Kit, path: str, greeting: str) -> None:
    answer = await wflow.fetch(path)
    assert (answer.status, answer.text) == (200, greeting)


async def test_there_is_nothing_else(wflow: Kit) -> None:
    assert (await wflow.fetch("/other")).status == 404

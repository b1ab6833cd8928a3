"""A small runner for each test, behind the real app."""

from __future__ import annotations

import pytest

from tests.server.small_host import House


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path / "data")
    yield house
    house.close()

"""A world of its own for each story."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.stories.processes import World

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A person with a project, who has not begun yet."""
    return World(tmp_path).open_shop()

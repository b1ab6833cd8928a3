"""A control over a real store for each test."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import pytest

from tests.bindings.small_control import SmallControl, link, with_control
from wflow.bindings import kv, workflow

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


@pytest.fixture
def on_kv(tmp_path: Path) -> Callable[[Callable[..., Awaitable[None]]], None]:
    """Run a story that is given the control and a namespace."""
    return functools.partial(_on, tmp_path, kv, "shop")


@pytest.fixture
def on_workflow(tmp_path: Path) -> Callable[[Callable[..., Awaitable[None]]], None]:
    """Run a story that is given the control and the binding of the workflow `orders`."""
    return functools.partial(_on, tmp_path, workflow, "orders")


def _on(folder: Path, module: Any, target: str, story: Callable[..., Awaitable[None]]) -> None:
    async def told(control: SmallControl) -> None:
        await story(control, link(module, control, target))

    with_control(folder, told)

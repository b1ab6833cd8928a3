"""One store for each test, whichever it is; and coroutines as tests, on the loop that opened it."""

from __future__ import annotations

import asyncio
import inspect
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.stores.shop import Shop

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

STORES = ["sqlite"]
"""Every store that must pass the suite."""


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """Give the loop of the test."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(params=STORES)
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], str]:
    """Give the address of an empty store with each call."""
    folders = (tmp_path / f"data-{number}" for number in count(1))
    match request.param:
        case "sqlite":
            return lambda: f"sqlite://{next(folders)}"
    raise LookupError(request.param)


@pytest.fixture
def url(urls: Callable[[], str]) -> str:
    """Give the address of one empty store."""
    return urls()


@pytest.fixture
def shop(loop: asyncio.Runner, url: str) -> Iterator[Shop]:
    """Open a store, and close it again."""
    shop = Shop(url)
    loop.run(shop.open())
    yield shop
    loop.run(shop.close())


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    loop = pyfuncitem.funcargs["loop"]
    assert isinstance(loop, asyncio.Runner)
    loop.run(pyfuncitem.obj(**arguments))
    return True

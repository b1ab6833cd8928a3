"""Databases on a disk of their own, a clock that is moved by hand, and coroutines as tests."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING

import pytest

from tests.databases.asked import Asked, Clock
from wflow.databases import Databases

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """Give the loop of the test."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def databases(loop: asyncio.Runner, tmp_path: Path, clock: Clock) -> Iterator[Databases]:
    found = Databases(tmp_path / "d1", clock)
    yield found
    loop.run(found.close())


@pytest.fixture
def asked(loop: asyncio.Runner, databases: Databases) -> Asked:
    async def opened() -> Asked:
        return Asked(await databases.open((await databases.create("app")).id))

    return loop.run(opened())


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine function."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    loop = pyfuncitem._request.getfixturevalue("loop")
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    loop.run(pyfuncitem.obj(**arguments))
    return True

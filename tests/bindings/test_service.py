"""Service bindings: what the stub sends, and what the provider lets through."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from wflow.bindings import service
from wflow.bindings.binding import Called
from wflow.bindings.service import DEPTH, Service, serve
from wflow.engine import values
from wflow.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class Services:
    """Notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []

    @property
    def services(self) -> Services:
        return self

    async def fetch(self, name: str, asked: list[Any]) -> list[Any]:
        self.asked.append((name, asked))
        return [200, [], b"", None]

    async def ask(self, name: str, asked: list[Any]) -> object:
        self.asked.append((name, asked))
        return "answered"

    async def read(self, number: str) -> bytes | None:
        return number.encode()

    async def close(self, number: str) -> None:
        self.asked.append(number)


def bound(host: Any, target: str, depth: Callable[[], int] = lambda: 0) -> Service:
    async def send(method: str, arguments: list[object]) -> object:
        crossed: Any = values.decode(values.encode(arguments, limit=2**30))
        return await serve(host, target, Called(method=method, arguments=crossed))

    return Service(send, depth)


def run(asking: Awaitable[Any]) -> Any:
    async def ask() -> Any:
        return await asking

    return asyncio.run(ask())


def test_a_method_is_called_by_its_name_with_what_it_is_given():
    host = Services()
    assert run(bound(host, "till#Till").add(1, 2, times=3)) == "answered"
    ((name, (entrypoint, method, args, depth)),) = host.asked
    assert (name, entrypoint, method, values.decode(args), depth) == (
        "till",
        "Till",
        "add",
        [[1, 2], {"times": 3}],
        1,
    )


def test_a_method_that_is_nobody_elses_is_no_attribute():
    for name in ("_inner", "__len__"):
        with pytest.raises(AttributeError):
            getattr(bound(Services(), "till"), name)


def test_a_request_that_came_through_too_many_workers_goes_no_further():
    host = Services()
    deep = bound(host, "till", lambda: DEPTH - 1)
    run(deep.add())
    assert host.asked[-1][1][-1] == DEPTH
    with pytest.raises(InvalidInput, match="Subrequest depth limit exceeded"):
        run(bound(host, "till", lambda: DEPTH).add())
    assert len(host.asked) == 1


def test_arguments_have_a_limit(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(service, "ARGUMENT_BYTES", 100)
    host = Services()
    with pytest.raises(Exception, match="100"):
        run(bound(host, "till").add("x" * 200))
    call = Called(method="fetch", arguments=["POST", "http://a/", [], b"x" * 200, False, 0])
    with pytest.raises(InvalidInput, match="handed 200 bytes; the limit is 100"):
        asyncio.run(serve(host, "till", call))  # type: ignore[arg-type]
    assert host.asked == []


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("fetch", []),
        ("fetch", ["GET", "http://a/", [], "text", False, 0]),
        ("ask", ["add", [], [], 0]),
        ("ask", [5, [], {}, 0]),
        ("read", []),
        ("open", []),
    ],
)
def test_what_no_stub_sends_is_refused(method: str, arguments: list[Any]):
    with pytest.raises(InvalidInput, match="a service has no operation"):
        asyncio.run(serve(Services(), "till", Called(method=method, arguments=arguments)))  # type: ignore[arg-type]

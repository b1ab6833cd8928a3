"""Workers of one runner that ask each other, each in its own process, through what they declare."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.runner.shipped import shipped
from tests.runner.stage import meanwhile, until
from wflow.bundle.pack import pack
from wflow.config.load import load
from wflow.engine import values
from wflow.errors import InvalidInput, TooLarge, TooMany
from wflow.runner import services
from wflow.wire.types import HttpAnswer, HttpRequest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.runner.stage import Stage

TILL = """
from wflow import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        async def much():
            for _ in range(100):
                yield "x" * 10_000

        return Response(much()) if request.path == "/much" else Response(f"till: {await request.text()}")

    async def add(self, one, two):
        return one + two


class Drawer(WorkerEntrypoint):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        self.opened = 0

    def open(self):
        self.opened += 1
        return self.opened
"""
SHOP = """
from wflow import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        if request.path == "/drawer":
            return Response.json([await self.env.DRAWER.open(), await self.env.DRAWER.open()])
        if request.path == "/undeclared":
            return Response(str(hasattr(self.env, "SHOP")))
        return await self.env.TILL.fetch(f"http://till{request.path}", method="POST", body="a coin")
"""
SERVICES = """
[[services]]
binding = "TILL"
service = "till"

[[services]]
binding = "DRAWER"
service = "till"
entrypoint = "Drawer"
"""


async def deploy(on: Stage, name: str, code: str, config: str = "") -> None:
    home = on.project.parent / f"{name}-project"
    home.mkdir()
    (home / "worker.py").write_text(code)
    (home / "wflow.toml").write_text(f'name = "{name}"\nmain = "worker.py"\n{config}')
    packed = pack(load(path=home / "wflow.toml"))
    await on.runner.deploy(name, packed.data, digest=packed.manifest.digest, message="", author="me")


async def ask(on: Stage, path: str) -> bytes:
    request = HttpRequest(method="GET", url=f"http://shop{path}", headers=[], body=b"")
    answer: HttpAnswer = await on.runner.fetch("shop", request)
    assert answer.status == 200, answer.body
    rest = [] if answer.rest is None else [piece async for piece in answer.rest]
    return b"".join((answer.body, *rest))


def test_two_workers_ask_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def story() -> None:
        async with shipped(tmp_path) as on:
            await deploy(on, "till", TILL)
            await deploy(on, "shop", SHOP, SERVICES)
            assert await ask(on, "/") == b"till: a coin"
            assert await ask(on, "/much") == b"x" * 1_000_000
            assert await ask(on, "/drawer") == b"[1,1]", "each call has an object of its own"
            assert await ask(on, "/undeclared") == b"False"
            await limits(on, monkeypatch)

    asyncio.run(story())


async def limits(on: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Go to the limits of what Workers may ask of each other; in the session that is there."""
    till = on.runner.services
    much = ["", "GET", "http://till/much", [], b"", False, 1]
    assert await till.ask("till", ["", "add", values.encode([[1, 2], {}]), 1]) == 3
    with pytest.raises(InvalidInput, match="'nobody' is not here"):
        await till.ask("nobody", ["", "add", values.encode([[], {}]), 1])
    large = ["", "POST", "http://till/", [["x-a", "1"]], b"y" * 200_000, False, 1]
    status, _, body, number = await till.fetch("till", large)
    assert (status, body, number) == (200, b"", number)
    pieces = b""
    while piece := await till.read(number):
        pieces += piece
    assert pieces == b"till: " + b"y" * 200_000
    with pytest.raises(InvalidInput, match="over, or was let go"):
        await till.read(number)

    monkeypatch.setattr(services, "VALUE_BYTES", 1_000)
    with pytest.raises(TooLarge, match="`run` could not keep"):
        await till.fetch("till", [*much[:5], True, 1])
    *_, left = await till.fetch("till", much)
    await till.close(left)
    await till.close(left)
    monkeypatch.setattr(services, "CALLED_BYTES", 10)
    with pytest.raises(TooMany, match="10 bytes at once"):
        await till.fetch("till", large)
    with pytest.raises(TooMany, match="10 bytes at once"):
        await till.ask("till", ["", "add", values.encode([["x" * 10, ""], {}]), 1])
    monkeypatch.undo()
    monkeypatch.setattr(services, "BODIES", 0)
    with pytest.raises(TooMany, match="that is the limit"):
        await till.fetch("till", much)
    monkeypatch.setattr(services, "BODIES", 10)
    monkeypatch.setattr(services, "UNREAD_S", 0.01)
    *_, forgotten = await till.fetch("till", much)
    peer = on.runner.fleet.current((await on.runner.versions("till"))[0].id)
    assert peer is not None
    await until(lambda: not peer.busy, "what nobody reads to be let go")
    await meanwhile()
    with pytest.raises(InvalidInput):
        await till.read(forgotten)

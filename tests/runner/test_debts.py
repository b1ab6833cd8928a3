from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any

from tests.runner.stage import Faulty, Stage, desk, entry, stage, until
from wflow.engine import facts, values
from wflow.errors import StoreError
from wflow.link import channel, frames
from wflow.runner.debts import Debts
from wflow.runner.project import VERSION

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path

    from wflow.runner.peer import Peer

UNREAD_BYTES = 1024 * 1024
PAYLOAD = values.encode("x" * 100_000)
EVENTS = 50


def test_events_for_a_runtime_that_does_not_listen_stay_on_disk_until_it_does(tmp_path, monkeypatch):
    monkeypatch.setattr(channel, "UNREAD_BYTES", UNREAD_BYTES)

    async def story() -> None:
        async with stage(tmp_path) as on:
            peer, key = await busy(on, tmp_path)
            os.kill(peer.pid or 0, signal.SIGSTOP)
            try:
                for _ in range(EVENTS):
                    await on.runner.send_event("gated", "g", "noise", PAYLOAD)
                assert not peer.listens
                assert unread(peer) < UNREAD_BYTES + 2 * len(PAYLOAD), "five times as much was sent"
            finally:
                os.kill(peer.pid or 0, signal.SIGCONT)
            await until(lambda: received(on, key), "all of them to be received")
            (tmp_path / "gate").touch()
            await on.reaches("gated", "g", "complete")
            assert await received(on, key), "each of them once"

    asyncio.run(story())


def test_a_runtime_that_ends_before_it_listens_again_owes_and_is_owed_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(channel, "UNREAD_BYTES", UNREAD_BYTES)

    async def story() -> None:
        async with stage(tmp_path) as on:
            peer, key = await busy(on, tmp_path)
            os.kill(peer.pid or 0, signal.SIGSTOP)
            for _ in range(EVENTS):
                await on.runner.send_event("gated", "g", "noise", PAYLOAD)
            assert not peer.listens
            peer.kill()
            await until(lambda: received(on, key), "whoever has it next to receive them")
            assert not on.runner.fleet._debts._owed

    asyncio.run(story())


def test_a_runtime_that_cannot_be_told_is_ended(tmp_path):
    async def story() -> None:
        async with stage(tmp_path) as on:
            peer, key = await busy(on, tmp_path)
            faulty: Any = Faulty(on.runner.store)
            faulty.failures["load"] = [StoreError("the disk is gone")]
            told: list[str] = []
            tasks: list[asyncio.Task[None]] = []

            def spawn(work: Coroutine[Any, Any, None]) -> None:
                tasks.append(asyncio.ensure_future(work))

            Debts(faulty, spawn, lambda _, text: told.append(text)).owe(peer, key)
            await asyncio.wait(tasks)
            assert told == ["the disk is gone; the runtime is started again"]
            await until(lambda: not peer.alive, "its end")

    asyncio.run(story())


def test_events_that_come_while_others_are_owed_come_behind_them(tmp_path):
    async def story() -> None:
        async with desk(tmp_path, through=Faulty) as on:
            on.declare(entry("orders"))
            peer: Any = await on.held("a")
            listens = asyncio.Event()
            peer.listens, peer.listening = False, listens.wait
            for payload in (b"first", b"second"):
                await on.control.send_event("orders", "a", "paid", payload)
            assert not peer.heard(frames.Deliver)
            on.store.delays_s["load"] = 0.05  # type: ignore[attr-defined]
            peer.listens = True
            listens.set()
            await on.control.send_event("orders", "a", "paid", b"third")
            await until(lambda: len(peer.heard(frames.Deliver)) >= 3, "all of them")
            told = dict.fromkeys(message.event.payload for message in peer.heard(frames.Deliver))
            assert list(told) == [b"first", b"second", b"third"]

    asyncio.run(story())


async def busy(on: Stage, folder: Path) -> tuple[Peer, int]:
    """Have an instance in the middle of a step; give the runtime that holds it, and its key."""
    made = await on.create("gated", "g", {"gate": str(folder / "gate")})
    await until(lambda: on.effects == ["g begins"], "the step to begin")
    return await on.runner.fleet.peer(VERSION), made.key


def unread(peer: Peer) -> int:
    transport = peer._channel._transport
    assert transport is not None
    return transport.get_write_buffer_size() + len(peer._channel._outbox)


async def received(on: Stage, key: int) -> bool:
    """Tell whether all events are in the journal, once."""
    journal = await on.runner.store.journal(key, limit=10 * EVENTS)
    found = [record for record in journal if record.tag == facts.RECEIVED]
    assert len(found) <= EVENTS
    return len(found) == EVENTS

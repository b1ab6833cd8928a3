"""The floor: what the hardware and Python allow a durable step to cost.

One process runs coroutines and nothing else; each of their steps is a row that a second process must have
on disk before the coroutine goes on. Rows cross a socketpair in batches and are committed in groups, with the
schema, the journal mode and the fsync that wflow uses. There is no engine, no replay, no retry, no claim:
wflow is measured as a share of this.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
import struct
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import uvloop

from wflow.stores import statements

HEAD = struct.Struct(">I")
BODY = bytes(95)
"""As long as the record of a step."""


def measure(instances: int, steps: int) -> float:
    """Run ``instances`` coroutines of ``steps`` durable steps each; give the seconds it took."""
    ours, theirs = socket.socketpair()
    with tempfile.TemporaryDirectory() as folder:
        child = os.fork()
        if child == 0:
            ours.close()
            _commit_groups(theirs, Path(folder) / "bare.sqlite")
            os._exit(0)
        theirs.close()
        try:
            ours.recv(1)  # the database is there
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_run(ours, instances, steps))
        finally:
            ours.close()
            os.waitpid(child, 0)


async def _run(sock: socket.socket, instances: int, steps: int) -> float:
    loop = asyncio.get_running_loop()
    encode = msgspec.msgpack.encode
    rows: list[tuple[int, int, int, int, bytes]] = []
    futures: list[asyncio.Future[None]] = []
    in_flight: list[list[asyncio.Future[None]]] = []
    scheduled = False

    def flush() -> None:
        nonlocal scheduled, rows, futures
        scheduled = False
        raw = encode(rows)
        in_flight.append(futures)
        rows, futures = [], []
        transport.write(HEAD.pack(len(raw)) + raw)

    def durable(instance: int, step: int) -> asyncio.Future[None]:
        nonlocal scheduled
        future: asyncio.Future[None] = loop.create_future()
        rows.append((instance, step, 4, 1_700_000_000_000, BODY))
        futures.append(future)
        if not scheduled:
            scheduled = True
            loop.call_soon(flush)
        return future

    class Acks(asyncio.Protocol):
        def data_received(self, data: bytes) -> None:
            for _ in data:
                for future in in_flight.pop(0):
                    future.set_result(None)

    async def instance(number: int) -> None:
        for step in range(steps):
            await durable(number, step)

    sock.setblocking(False)
    transport, _ = await loop.create_connection(Acks, sock=sock)
    began = time.perf_counter()
    await asyncio.gather(*(instance(number) for number in range(instances)))
    took = time.perf_counter() - began
    transport.close()
    return took


def _commit_groups(sock: socket.socket, path: Path) -> None:
    """Read batches, commit all that have arrived together, and answer one byte for each."""
    db = sqlite3.connect(path, isolation_level=None)
    db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;" + "".join(statements.MIGRATIONS))
    sock.sendall(b".")
    decoder = msgspec.msgpack.Decoder(list[tuple[int, int, int, int, bytes]])
    buffer = bytearray()
    position = 0
    while data := sock.recv(1 << 20):
        buffer += data
        batches = []
        while len(buffer) >= HEAD.size:
            (size,) = HEAD.unpack_from(buffer)
            if len(buffer) < HEAD.size + size:
                break
            batches.append(decoder.decode(bytes(buffer[HEAD.size : HEAD.size + size])))
            del buffer[: HEAD.size + size]
        if batches:
            db.execute("BEGIN IMMEDIATE")
            for batch in batches:
                db.executemany(statements.APPEND, [(position + n, *row) for n, row in enumerate(batch, 1)])
                position += len(batch)
            db.execute("COMMIT")
            sock.sendall(b"." * len(batches))


if __name__ == "__main__":
    counts = [int(argument) for argument in sys.argv[1:3]] or [1_000, 10]
    seconds = measure(*counts)
    print(f"{counts[0]:,} x {counts[1]}: {counts[0] * counts[1] / seconds:,.0f} steps/s")

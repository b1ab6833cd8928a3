"""A23: a result of many megabytes: killed in the middle and afterwards, read again and again, and deleted."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from tests.stories.processes import World

MIB = 1024 * 1024
PARTS = 24
"""Of one MiB each."""
GROWTH_KIB = 12 * 1024
"""What a runtime may take more, at its highest, while it makes and reads a stream of twice that."""
WORKER = """
import asyncio, hashlib, os

from effects import tell
from wflow import Stream, WorkflowEntrypoint


class Exporting(WorkflowEntrypoint):
    async def run(self, event, ctx):
        stream = await ctx.do("make", self.make, event.payload["parts"], event.payload["gate"])
        first = await ctx.do("read", self.read, stream)
        await ctx.wait_for_event("go on", "go")
        second = await ctx.do("read plainly", self.read_plainly, stream)
        return [stream.size, stream.digest, first, second]

    async def make(self, parts, gate):
        tell(self.env.WITNESS, "begins")
        for number in range(parts):
            if number == parts // 2:
                tell(self.env.WITNESS, "half", os.getpid())
                while gate and not os.path.exists(gate):
                    await asyncio.sleep(0.01)
            yield bytes([number]) * (1024 * 1024)
        tell(self.env.WITNESS, "made")

    async def read(self, stream: Stream) -> str:
        tell(self.env.WITNESS, "read", os.getpid())
        hashed = hashlib.sha256()
        async for piece in stream:
            hashed.update(piece)
        return hashed.hexdigest()

    def read_plainly(self, stream: Stream) -> str:
        hashed = hashlib.sha256()
        for piece in stream:
            hashed.update(piece)
        return hashed.hexdigest()
"""
CONFIG = """
name = "exports"
main = "src/worker.py"
compatibility_date = "2026-11-01"

[[workflows]]
name = "exporting"
binding = "EXPORTING"
class_name = "Exporting"

[vars]
WITNESS = "{witness}"
"""


def test_a_stream_survives_every_kill_and_goes_with_its_instance(world: World):
    open_exports(world)
    gate = world.folder / "gate"
    with world.dev() as session, session.api() as api:
        api.instances.create("exporting", {"parts": PARTS, "gate": str(gate)}, id_="e")
        wait_for(lambda: "half" in " ".join(world.effects), "half of the stream")
        wait_for(lambda: kept(world) >= PARTS // 2 * MIB - 2 * 256 * 1024, "half of it on disk")
        session.kill()
    gate.touch()
    with world.dev() as session, session.api() as api:
        wait_for(lambda: status(api) == "waiting", "the stream, and its first reading")
        made = {step["name"]: step for step in api.instances.get("exporting", "e")["steps"]}["make-1"]
        assert made["output"] == f"[stream of {PARTS * MIB:,} bytes]"
        runtime = int(next(line for line in world.effects if line.startswith("read")).split()[1])
        os.kill(runtime, signal.SIGKILL)
        session.kill()
    with world.dev() as session, session.api() as api:
        api.instances.send_event("exporting", "e", "go", None)
        wait_for(lambda: status(api) == "complete", "the end")
        assert api.instances.get("exporting", "e")["output"] == [PARTS * MIB, *[digest()] * 3]
        assert kept(world) == PARTS * MIB, "what the attempt that was killed left is gone"
        api.instances.delete("exporting", "e")
        assert kept(world) == 0
    assert world.effects.count("begins") == 2
    assert world.effects.count("made") == 1


def test_a_runtime_holds_no_more_of_a_stream_than_a_few_pieces(world: World):
    open_exports(world)
    with world.dev() as session, session.api() as api:
        small = peak_after(world, api, "small", parts=1)
        large = peak_after(world, api, "large", parts=PARTS)
        assert large - small < GROWTH_KIB


def test_a_person_reads_a_stream_as_bytes_or_asks_what_there_is(world: World):
    open_exports(world)
    show = ("workflows", "instances", "step", "exporting", "e", "make-1", "--local")
    with world.dev() as session, session.api() as api:
        api.instances.create("exporting", {"parts": 2, "gate": ""}, id_="e")
        wait_for(lambda: status(api) == "waiting", "the stream, and its first reading")
        whole = world.wflow(*show)
        assert (whole.code, whole.err) == (0, "")
        assert whole.out == "\0" * MIB + "\1" * MIB
        told = json.loads(world.wflow(*show, "--json").out)
        assert (told["output"], told["stream"]["size"]) == (f"[stream of {2 * MIB:,} bytes]", 2 * MIB)
        assert told["stream"]["digest"] == hashlib.sha256(whole.out.encode()).hexdigest()


def open_exports(world: World) -> None:
    """Lay another project out than the shop."""
    world.write("src/worker.py", WORKER)
    world.write("wflow.toml", CONFIG.replace("{witness}", str(world.witness)))


def peak_after(world: World, api: Any, id_: str, *, parts: int) -> int:
    """Have a stream made and read; give the most memory, in KiB, that its runtime ever had."""
    api.instances.create("exporting", {"parts": parts, "gate": ""}, id_=id_)
    wait_for(lambda: status(api, id_) == "waiting", "the stream, and its first reading")
    (runtime,) = {line.split()[1] for line in world.effects if line.startswith("read")}
    told = Path(f"/proc/{runtime}/status").read_text()
    return int(next(line for line in told.splitlines() if line.startswith("VmHWM")).split()[1])


def status(api: Any, id_: str = "e") -> str:
    return str(api.instances.get("exporting", id_)["status"])


def digest() -> str:
    hashed = hashlib.sha256()
    for number in range(PARTS):
        hashed.update(bytes([number]) * MIB)
    return hashed.hexdigest()


def kept(world: World) -> int:
    """Count the bytes of all pieces on disk, in a copy of the store."""
    copy = world.folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for file in world.state.glob("wflow.sqlite*"):
        shutil.copy(file, copy)
    database = sqlite3.connect(copy / "wflow.sqlite")
    try:
        found = database.execute(
            "SELECT sum(length(value)) FROM cells WHERE space LIKE 'stream:%'"
        ).fetchone()
    finally:
        database.close()
    return found[0] or 0

"""Durable steps a second, as a share of the floor that `bare` measures in the same run.

    python tests/bench/steps.py [INSTANCES STEPS [ROUNDS]]

A runner and a runtime process, SQLite with synchronous=FULL, every feature on; no-op steps. The two are
measured in turn, so that the noise of a shared machine meets both; medians are compared.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench import bare
from wflow.config.load import load
from wflow.runner.project import VERSION, build_of
from wflow.runner.runner import Runner
from wflow.wire.types import Wanted

CONFIG = """
name = "bench"
main = "main.py"

[[workflows]]
name = "steps"
binding = "STEPS"
class_name = "Steps"
"""
CODE = """
from wflow import WorkflowEntrypoint


async def nothing():
    return None


class Steps(WorkflowEntrypoint):
    async def run(self, event, ctx):
        for _ in range(event.payload):
            await ctx.do("step", nothing)
"""


def measure(instances: int, steps: int) -> float:
    """Run instances of so many steps each; give the seconds from the first create to the last end."""
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        return loop.run(_measure(Path(folder), instances, steps))


async def _measure(folder: Path, instances: int, steps: int) -> float:
    from wflow.engine import values

    (folder / "wflow.toml").write_text(CONFIG)
    (folder / "main.py").write_text(CODE)
    runner = await Runner.open(f"sqlite://{folder / 'state'}", folder / "versions")
    try:
        build = build_of(load(folder), {}, runner.now())
        runner.registry.activate(build)
        peer = await runner.fleet.spare(folder)
        await peer.load(build)
        runner.fleet.replace(VERSION, peer)
        runner.execute()
        wanted = [Wanted(params=values.encode(steps)) for _ in range(instances)]
        began = time.perf_counter()
        for start in range(0, instances, 100):
            await runner.create("steps", wanted[start : start + 100], trigger="api")
        position = 0
        while (await runner.store.counts("steps")).get("complete", 0) < instances:
            position = await runner.changed(position) or position
            await asyncio.sleep(0.01)
        return time.perf_counter() - began
    finally:
        await runner.close()


def main() -> None:
    """Measure in turn, and print the table and a line of JSON."""
    given = [int(argument) for argument in sys.argv[1:]]
    instances, steps, rounds = (*given, *(1_000, 10, 5)[len(given) :])
    floor, ours = [], []
    for _ in range(rounds):
        floor.append(instances * steps / bare.measure(instances, steps))
        ours.append(instances * steps / measure(instances, steps))
    ratio = statistics.median(ours) / statistics.median(floor)
    pairs = sorted(mine / theirs for mine, theirs in zip(ours, floor, strict=True))
    print(f"{instances:,} instances x {steps} steps, {rounds} rounds, medians")
    print(f"  bare   {statistics.median(floor):>10,.0f} steps/s   ({min(floor):,.0f} to {max(floor):,.0f})")
    print(f"  wflow  {statistics.median(ours):>10,.0f} steps/s   ({min(ours):,.0f} to {max(ours):,.0f})")
    print(
        f"  ratio  {ratio:>10.2f}             (pair by pair {pairs[0]:.2f} to {pairs[-1]:.2f}; to reach 0.35)"
    )
    print(
        json.dumps(
            {
                "bench": "steps",
                "instances": instances,
                "steps": steps,
                "bare": floor,
                "wflow": ours,
                "ratio": ratio,
            }
        )
    )


if __name__ == "__main__":
    main()

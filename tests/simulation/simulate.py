"""A million schedules, or as many as are asked for: `make simulate`, `make simulate N=20000 FROM=7`.

Bodies are known by their seeds, and a body's schedules by their numbers, so whatever is found can be had
again: `python -m tests.simulation.simulate --body 4711`. What goes wrong is made small, and printed as a test
to keep.
"""

# ruff: noqa: T201 - it tells a person how it goes

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import multiprocessing
import sys
import time
from collections import Counter

from tests.simulation.running import SCHEDULES, body, judged
from tests.simulation.shrinking import as_a_test, by_the_same_rule, shrunk

CHUNK = 25
"""Bodies that a process plays before it tells how it went."""
SHOWN = 10
"""Bugs that are made small; more are counted."""
EVERY_S = 30.0


def main() -> int:
    parser = argparse.ArgumentParser(description="Play many schedules of many generated workflows.")
    parser.add_argument("--schedules", type=int, default=1_000_000)
    parser.add_argument("--from", type=int, default=0, dest="first", help="the seed of the first body")
    parser.add_argument("--processes", type=int, default=multiprocessing.cpu_count())
    parser.add_argument("--body", type=int, help="play this body alone, and say what is wrong with it")
    asked = parser.parse_args()
    if asked.body is not None:
        return _again(asked.body)
    bodies = -(-asked.schedules // SCHEDULES)
    print(f"{bodies:,} bodies x {SCHEDULES} schedules, seeds {asked.first} to {asked.first + bodies - 1}")
    return _all(asked.first, bodies, asked.processes)


def _all(first: int, bodies: int, processes: int) -> int:
    figures: Counter[str] = Counter()
    chunks = [(seed, min(CHUNK, first + bodies - seed)) for seed in range(first, first + bodies, CHUNK)]
    began = told = time.monotonic()
    # Each is a new process now and then: what Python keeps of each class that was ever made adds up.
    with multiprocessing.get_context("spawn").Pool(processes, _prepare, maxtasksperchild=40) as pool:
        for done, (counted, bugs) in enumerate(pool.imap(_chunk, chunks), 1):
            figures += counted
            for seed, number, rule in bugs:
                figures["bugs"] += 1
                print(f"\nbody {seed}, schedule {number}: {rule}", flush=True)
                if figures["bugs"] <= SHOWN:
                    _show(seed, number)
            if time.monotonic() - told > EVERY_S or done == len(chunks):
                told = time.monotonic()
                print(_line(figures, told - began, chunks[done - 1]), flush=True)
    return 1 if figures["bugs"] else 0


def _line(figures: Counter[str], seconds: float, chunk: tuple[int, int]) -> str:
    pace = figures["schedules"] / seconds
    shown = ", ".join(f"{count:,} {what}" for what, count in figures.most_common() if what != "bugs")
    return f"{seconds:,.0f} s, {pace:,.0f}/s, next seed {sum(chunk)}: {shown}; {figures['bugs']} bugs"


def _prepare() -> None:
    gc.set_threshold(50_000, 20, 100)
    gc.freeze()


def _chunk(chunk: tuple[int, int]) -> tuple[Counter[str], list[tuple[int, int, str]]]:
    figures: Counter[str] = Counter()
    bugs = []
    first, count = chunk
    for seed in range(first, first + count):
        figures["bodies"] += 1
        with contextlib.redirect_stderr(io.StringIO()):
            for number, (_case, world, wrong) in enumerate(body(seed)):
                figures += world.figures
                bugs += [(seed, number, f"{rule}: {what}") for rule, what in wrong[:1]]
    return figures, bugs


def _show(seed: int, number: int) -> None:
    with contextlib.redirect_stderr(io.StringIO()):
        case, _, wrong = list(body(seed))[number]
        small = shrunk(case, by_the_same_rule(wrong[0][0]))
        found = judged(small)[1] or wrong
    print(as_a_test(small, *found[0]), flush=True)


def _again(seed: int) -> int:
    bugs = 0
    for number, (case, _, wrong) in enumerate(body(seed)):
        if wrong:
            bugs += 1
            print(f"body {seed}, schedule {number}: {wrong}\n{case!r}")
            _show(seed, number)
    print(f"body {seed}: {bugs} of {SCHEDULES} schedules go wrong")
    return 1 if bugs else 0


if __name__ == "__main__":
    sys.exit(main())

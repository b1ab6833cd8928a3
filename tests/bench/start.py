"""How long a person waits: for `wflow dev` to answer, for `wflow --version`, for `wflow --help`."""

from __future__ import annotations

import http.client
import os
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measured import Row, Scale
from tests.bench.session import laid_out, world
from tests.bench.suite import alone

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.processes import World

TEMPLATE: Final = Path(__file__).parents[2] / "templates" / "workflows"
ANSWERS_S: Final = 0.6
SAYS_MS: Final = {"--version": 100.0, "--help": 250.0}
PATIENCE_S: Final = 30.0
LOOK_S: Final = 0.002


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How often each."""

    devs: int
    commands: int


SIZES: Final = {
    Scale.FULL: Size(devs=9, commands=21),
    Scale.QUICK: Size(devs=3, commands=7),
    Scale.TINY: Size(devs=1, commands=1),
}


def rows(size: Size) -> Iterator[Row]:
    """Measure the three, each a process of its own."""
    with world() as here:
        project = laid_out(here, TEMPLATE)
        taken = [_dev(here, project) for _ in range(size.devs)]
        yield Row(
            bench="start",
            work="`wflow dev` until it answers",
            unit="s",
            samples=[seconds for seconds, _ in taken],
            goal=ANSWERS_S,
            beside={"CPU s": statistics.median(cpu for _, cpu in taken)},
        )
        for flag, goal in SAYS_MS.items():
            said = [_command(here, flag) for _ in range(size.commands + 1)][1:]
            yield Row(
                bench="start",
                work=f"`wflow {flag}`",
                unit="ms",
                samples=[seconds * 1e3 for seconds, _ in said],
                goal=goal,
                beside={"CPU ms": statistics.median(cpu for _, cpu in said) * 1e3},
            )


def _dev(here: World, project: Path) -> tuple[float, float]:
    """Give the seconds until the Worker answers, and the CPU seconds of all that had part in it."""
    port = _free_port()
    before = os.times()
    began = time.perf_counter()
    with here.start("dev", "--port", str(port), cwd=project).ending() as process:
        while not _answers(port):
            assert process.code is None, process.err
            assert time.perf_counter() - began < PATIENCE_S, process.err
            time.sleep(LOOK_S)
        took = time.perf_counter() - began
    after = os.times()
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return took, spent


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _command(here: World, flag: str) -> tuple[float, float]:
    wflow = Path(sys.executable).with_name("wflow")
    before = os.times()
    began = time.perf_counter()
    done = subprocess.run([wflow, flag], env=here.environment, capture_output=True, check=True)
    took = time.perf_counter() - began
    after = os.times()
    assert done.stdout
    return took, after.children_user + after.children_system - before.children_user - before.children_system


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


if __name__ == "__main__":
    alone(SIZES, rows)

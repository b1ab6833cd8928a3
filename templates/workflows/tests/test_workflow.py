"""Tests of this project: its pure code by itself, and its instances in a dev session of their own."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from workflow import process

PROJECT = Path(__file__).parent.parent
T = TypeVar("T")


def test_process_doubles_each_item() -> None:
    assert process({"data": [1, 2, 3]}) == [2, 4, 6]


def test_process_gives_the_same_twice() -> None:
    assert process({"data": [7, 0, -1]}) == process({"data": [7, 0, -1]})


def test_an_instance_runs_to_its_end(dev: httpx.Client) -> None:
    started = dev.post("/")
    assert started.status_code == 201

    status = ended(dev, started.json()["id"])
    assert status["status"] == "complete", status
    assert status["output"] == {"key": f"result:{started.json()['id']}", "items": [2, 4, 6]}


def test_a_body_that_is_not_json_starts_nothing(dev: httpx.Client) -> None:
    assert dev.post("/", content="{oops").status_code == 400


def test_an_unknown_instance_is_not_found(dev: httpx.Client) -> None:
    assert dev.get("/", params={"id": "nobody"}).status_code == 404


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """`wflow dev` on a free port; what it keeps goes into a folder that is thrown away."""
    folder = tmp_path_factory.mktemp("dev")
    log = folder / "output.txt"
    command = [sys.executable, "-u", "-m", "wflow", "dev"]
    command += ["--port", "0", "--persist-to", str(folder / "state")]
    with log.open("wb") as output:
        session = subprocess.Popen(
            command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )

    def ready() -> str | None:
        assert session.poll() is None, log.read_text()
        found = re.search(r"Ready on (http://\S+:\d+)", log.read_text())
        return found[1] if found else None

    try:
        with httpx.Client(base_url=wait_for(ready), timeout=10, trust_env=False) as client:
            yield client
    finally:
        session.terminate()
        try:
            session.wait(timeout=10)
        except subprocess.TimeoutExpired:
            session.kill()
            session.wait(timeout=10)


def ended(dev: httpx.Client, instance_id: str) -> dict[str, Any]:
    def status() -> dict[str, Any] | None:
        answer = dev.get("/", params={"id": instance_id}).json()
        return answer if answer["status"] in {"complete", "errored", "terminated"} else None

    return wait_for(status)


def wait_for(ask: Callable[[], T | None], seconds: float = 30) -> T:
    """Ask again and again until there is an answer, but not for ever."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (answer := ask()) is not None:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"no answer within {seconds} seconds")

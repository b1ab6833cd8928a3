"""How a session and a runner begin and end: ports that are taken, folders in use, Ctrl-C, and no orphans."""

from __future__ import annotations

import os
import pty
import select
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from tests.stories.processes import PATIENCE_S, lives, wait_for

if TYPE_CHECKING:
    from tests.stories.processes import Process, World

QUICK_S = 3.0
ORPHANS_S = 2.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_session_quickly_with_all_its_processes(world: World, number: int):
    with world.dev() as session:
        work(world, session)
        assert ends(session, number) == 0
        assert "⎔ Shutting down local server..." in session.err
        assert "Traceback" not in session.err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_runner_quickly_with_all_its_processes(world: World, number: int):
    with world.runner() as runner:
        assert world.wflow("login", "--url", runner.url, "--token", runner.out.strip()).code == 0
        assert world.wflow("deploy").code == 0
        work(world, runner, runner.out.strip())
        with world.start("logs", "--tail").ending() as tail:
            tail.says("Waiting for logs")
            assert ends(runner, number) == 0
        assert "Stopping; what is unfinished goes on at the next start." in runner.err
        assert "Traceback" not in runner.err


def test_ctrl_c_ends_a_session_whose_code_takes_for_ever_to_import(world: World):
    worker = world.project / "src" / "worker.py"
    world.write("src/worker.py", worker.read_text() + "\nimport time\n\ntime.sleep(600)\n")
    with world.start("dev", "--port", "0").ending() as session:
        session.says("⎔ Starting local server...")
        wait_for(session.runtimes, "the runtime that imports")
        assert ends(session, signal.SIGINT) == 0


def test_ctrl_c_ends_a_session_with_a_request_that_hangs(world: World):
    with world.dev() as session:
        port = int(session.url.rpartition(":")[2])
        with socket.create_connection(("localhost", port)) as visitor:
            visitor.sendall(b"GET /slow?seconds=600 HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert session.ask("GET", "/version").text == "one"
            assert ends(session, signal.SIGINT) == 0
        assert "Traceback" not in session.err


def test_the_runtimes_of_a_killed_session_end_by_themselves_even_when_user_code_is_busy(world: World):
    world.edit("src/worker.py", "return Response(VERSION)", "import time\n                time.sleep(600)")
    with world.dev() as session:
        port = int(session.url.rpartition(":")[2])
        with socket.create_connection(("localhost", port)) as visitor:
            visitor.sendall(b"GET /version HTTP/1.1\r\nhost: localhost\r\n\r\n")
            wait_for(lambda: len(session.runtimes()) >= 2, "the spare runtime")
            left = session.kill()
        wait_for(lambda: not any(map(lives, left)), "the end of the orphans", seconds=ORPHANS_S)


def test_a_port_that_is_taken_makes_a_session_take_the_next_free_one_and_say_so(world: World):
    with taken_port() as port, world.start("dev", "--port", str(port)).ending() as session:
        url = session.ready()
        got = int(url.rpartition(":")[2])
        assert port < got < port + 50
        assert f"[wflow:warn] Port {port} is taken; using {got}" in session.err
        assert session.ask("GET", "/version").text == "one"


def test_a_port_that_is_taken_stops_a_runner_with_a_hint(world: World):
    with taken_port() as port:
        refused = world.wflow("runner", "start", "--data-dir", str(world.data), "--port", str(port))
    assert refused.code == 1
    assert f"port {port} on 127.0.0.1 is taken" in refused.err
    assert "choose another with --port" in refused.err
    assert refused.out == "", "no token was made"


def test_an_address_that_is_not_of_this_machine_is_refused(world: World):
    refused = world.wflow("dev", "--ip", "192.0.2.1")
    assert refused.code == 1
    assert "cannot listen on 192.0.2.1:8787" in refused.err


def test_a_second_session_on_the_same_state_is_refused_with_a_hint(world: World):
    with world.dev() as session:
        second = world.wflow("dev", "--port", "0")
        assert second.code == 1
        assert "another process uses the data folder" in second.err
        assert "hint: " in second.err
        assert "Traceback" not in second.err
        assert session.ask("GET", "/version").text == "one"
        with world.start("dev", "--port", "0", "--persist-to", str(world.folder / "other")).ending() as other:
            other.ready()


def test_hotkeys_are_offered_on_a_terminal_and_x_ends_the_session(world: World):
    terminal, theirs = pty.openpty()
    session = subprocess.Popen(
        [sys.executable, "-m", "wflow", "dev", "--port", "0"],
        cwd=world.project,
        env=world.environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        read_until(terminal, b"[b] open a browser  [c] clear console  [x] to exit")
        os.write(terminal, b"c")
        read_until(terminal, b"\x1b[2J")
        os.write(terminal, b"x")
        read_until(terminal, b"Shutting down local server...")
        assert session.wait(QUICK_S) == 0
    finally:
        session.kill()
        session.wait(QUICK_S)
        os.close(terminal)


def test_without_a_terminal_there_are_no_hotkeys(world: World):
    with world.dev("--show-interactive-dev-session") as session:
        assert "[x] to exit" not in session.err


def work(world: World, runner: Process, token: str | None = None) -> None:
    """Have something go on: a step that runs, and an instance that waits."""
    with runner.api(token) as api:
        api.instances.create("gated", {"gate": str(world.folder / "never")}, id_="g")
        api.instances.create("patient", {}, id_="p")
        wait_for(lambda: "g begins" in world.effects and "p before" in world.effects, "work to be done")


def ends(process: Process, number: int) -> int:
    """Send a signal; gives the exit code, if the process and its children were gone in time."""
    children = process.runtimes()
    assert children
    began = time.monotonic()
    code = process.end(number)
    assert time.monotonic() - began < QUICK_S, "seconds"
    assert not any(map(lives, children))
    return code


class taken_port:  # noqa: N801 - used like a function
    """A port on which somebody else listens."""

    def __enter__(self) -> int:
        self._sock = socket.create_server(("127.0.0.1", 0))
        return int(self._sock.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._sock.close()


def read_until(terminal: int, text: bytes) -> None:
    """Read what a process writes on its terminal until it has written something."""
    seen = b""
    deadline = time.monotonic() + PATIENCE_S
    while text not in seen:
        assert time.monotonic() < deadline, seen.decode()
        if select.select([terminal], [], [], 0.1)[0]:
            seen += os.read(terminal, 4_096)

"""Show the story once: scaffold a project, start its dev session, trigger an instance, show it finished.

Called by ``make demo``. At a terminal it stays with the dev session until Ctrl-C; without one the session is
left running, and how to stop it is said. With ``--once`` it ends when the instance is complete.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "demo"
PROJECT = DEMO / "my-workflow"
LOG = DEMO / "dev.log"
MARK = DEMO / ".made-by-make-demo"
"""Tells that the folder is ours; holds the process id of its dev session, and is locked while that lives."""

WFLOW = [sys.executable, "-m", "wflow"]
READY = re.compile(r"Ready on (https?://[^\s\x1b]+)")
ENDED = {"complete", "errored", "terminated"}

READY_WITHIN_S = 30.0
ENDED_WITHIN_S = 60.0
STOP_WITHIN_S = 10.0
SHOWN_LINES = 60


class Failed(Exception):
    """The demo cannot go on; the message says why."""


def main() -> int:
    """Run the demo; 0 when the instance came to its end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with own_folder() as mark:
            scaffold()
            play(start(mark), once="--once" in sys.argv[1:])
    except Failed as failed:
        print(f"\nerror: {failed}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def play(session: subprocess.Popen[bytes], *, once: bool) -> None:
    """Show the session at work; it ends with the demo, unless it is left for the one who asked for it."""
    left = False
    try:
        url = wait_for(lambda: announced(session), READY_WITHIN_S, "wflow dev to be ready")
        say("wflow dev", url)
        show(url)
        if once:
            return
        left = not sys.stdin.isatty()
        way_out = f"`kill {session.pid}`" if left else "Ctrl-C"
        print(f"\nThe dev session goes on at {url} in demo/my-workflow; {way_out} stops it.", flush=True)
        if not left:
            follow(session)
    finally:
        if not left:
            stop(session)


def scaffold() -> None:
    """Make the project anew."""
    shutil.rmtree(PROJECT, ignore_errors=True)
    command = ["init", "demo/my-workflow", "--template", "workflows", "-y"]
    say("wflow " + " ".join(command))
    done = subprocess.run(
        [*WFLOW, *command], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Failed(f"wflow init ended with {done.returncode}\n\n{done.stdout}{done.stderr}")


def show(url: str) -> None:
    """Trigger an instance, wait until it is complete, and let wflow describe it."""
    began = time.monotonic()
    try:
        with httpx.Client(base_url=url, timeout=10, trust_env=False) as worker:
            instance = worker.post("/").raise_for_status().json()["id"]
            say(f"curl -X POST {url}", f"instance {instance}")
            status = wait_for(lambda: end_of(worker, instance), ENDED_WITHIN_S, "the instance to end")
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise Failed(f"the Worker did not do its part: {error!r}\n\n{logged()}") from error
    say(f"curl '{url}/?id={instance}'", f"{status} after {(time.monotonic() - began) * 1000:.0f} ms")
    if status != "complete":
        raise Failed(f"the instance is {status}\n\n{logged()}")

    port = str(urlsplit(url).port)
    command = ["workflows", "instances", "describe", "my-workflow", "latest", "--local", "--port", port]
    say("wflow " + " ".join(command) + "\n")
    if subprocess.run([*WFLOW, *command], cwd=PROJECT, stdin=subprocess.DEVNULL, check=False).returncode:
        raise Failed(f"wflow could not describe the instance\n\n{logged()}")


def follow(session: subprocess.Popen[bytes]) -> None:
    """Pass on what the session prints until it ends, by itself or by Ctrl-C, which reaches it as well."""
    with LOG.open("rb") as log, suppress(KeyboardInterrupt):
        log.seek(0, os.SEEK_END)
        while session.poll() is None:
            sys.stdout.buffer.write(log.read())
            sys.stdout.flush()
            time.sleep(0.1)
    with suppress(subprocess.TimeoutExpired):
        session.wait(STOP_WITHIN_S)


def announced(session: subprocess.Popen[bytes]) -> str | None:
    """Give the address that the session says it listens at; None while it has not said it."""
    text = LOG.read_text(encoding="utf-8", errors="replace")
    if found := READY.search(text):
        return found[1].rstrip("/")
    if session.poll() is not None:
        raise Failed(f"wflow dev ended with {session.returncode}\n\n{logged()}")
    return None


def end_of(worker: httpx.Client, instance: str) -> str | None:
    """Give the status of an instance that ended; None while it goes on."""
    status = worker.get("/", params={"id": instance}).raise_for_status().json()["status"]
    return status if status in ENDED else None


def wait_for(ask: Callable[[], str | None], seconds: float, what: str) -> str:
    """Ask again and again until there is an answer, but not for ever."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.02)
    raise Failed(f"waited {seconds:.0f} s for {what}\n\n{logged()}")


def logged() -> str:
    """Give the last lines that the dev session printed."""
    text = LOG.read_text(encoding="utf-8", errors="replace") if LOG.exists() else ""
    lines = text.splitlines()[-SHOWN_LINES:]
    return "\n".join(["wflow dev printed:", *lines])


def say(command: str, outcome: str = "") -> None:
    """Print what a person would have typed, and what came of it."""
    print(f"$ {command}" + (f"\n  {outcome}" if outcome else ""), flush=True)


@contextmanager
def own_folder() -> Iterator[IO[str]]:
    """Hold ``demo/``: the session of a former demo is stopped, the folder of someone else is refused."""
    if DEMO.exists() and not MARK.exists():
        raise Failed(f"{DEMO} exists, and no demo made it\n\nhint: move it away")
    DEMO.mkdir(exist_ok=True)
    with MARK.open("a+") as mark:
        if not locked(mark):
            stop_former(mark)
        mark.truncate(0)
        yield mark


def locked(mark: IO[str]) -> bool:
    """Take the lock if it is free."""
    with suppress(BlockingIOError):
        fcntl.flock(mark, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def stop_former(mark: IO[str]) -> None:
    """End the dev session that holds the lock, and take the lock from it."""
    mark.seek(0)
    if not (pid := mark.read().strip()).isdecimal():
        raise Failed("another `make demo` is at work in this checkout")
    say(f"kill {pid}", "the session of the last demo")
    with suppress(ProcessLookupError):
        os.kill(int(pid), signal.SIGTERM)
    wait_for(lambda: "yes" if locked(mark) else None, STOP_WITHIN_S, f"process {pid} to end")


def start(mark: IO[str]) -> subprocess.Popen[bytes]:
    """Run ``wflow dev`` in the project; it inherits the lock, so that a later demo can tell that it lives."""
    with LOG.open("wb") as log:
        session = subprocess.Popen(
            [*WFLOW, "dev"],
            cwd=PROJECT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            pass_fds=[mark.fileno()],
        )
    mark.write(str(session.pid))
    mark.flush()
    return session


def stop(session: subprocess.Popen[bytes]) -> None:
    """End the session, by force if it does not go."""
    session.terminate()
    try:
        session.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        session.kill()
        session.wait()


if __name__ == "__main__":
    sys.exit(main())

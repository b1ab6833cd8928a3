"""What the stories share: real processes of ours, started, asked, killed, and waited for."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx

from wflow import stores
from wflow.client import api
from wflow.client.remote import Remote
from wflow.engine import facts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

SHOP = Path(__file__).parent / "shop"
PATIENCE_S = 30.0
POLL_S = 0.01
PLAIN: dict[str, Any] = {"timeout": PATIENCE_S, "trust_env": False, "verify": False}
"""Options of a quick HTTP client: it reads no certificates."""


def wait_for(ask: Callable[[], T | None], what: str, *, seconds: float = PATIENCE_S) -> T:
    """Ask again and again until there is an answer that is something, but not for ever."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(POLL_S)
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    code: int
    out: str
    err: str


@dataclass(slots=True)
class World:
    """A person with a home of their own, a project, and a witness of what steps did."""

    folder: Path
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        home = self.folder / "home"
        home.mkdir(parents=True, exist_ok=True)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("WFLOW_", "XDG_"))}
        kept.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody compiles wflow anew for each command
        self.environment = {**kept, "HOME": str(home), "COLUMNS": "200", "PYTHONUNBUFFERED": "1"}

    @property
    def project(self) -> Path:
        return self.folder / "shop"

    @property
    def witness(self) -> Path:
        return self.folder / "witness.txt"

    @property
    def effects(self) -> list[str]:
        """All that steps did, in order."""
        return self.witness.read_text().splitlines() if self.witness.exists() else []

    def lose_patience(self) -> None:
        """Have runners wait less long for code that does not come to rest."""
        self.environment["PYTHONPATH"] = str(Path(__file__).parent / "impatient")

    def hurry(self) -> None:
        """Have what counts go on without its pauses."""
        self.witness.with_name(f"{self.witness.name}.hurry").touch()

    def open_shop(self) -> Self:
        """Lay the project out, its witness in its config."""
        shutil.copytree(SHOP, self.project, ignore=shutil.ignore_patterns("__pycache__", ".wflow"))
        self.edit("wflow.toml", "/dev/null", str(self.witness))
        return self

    def edit(self, name: str, old: str, new: str) -> None:
        """Change a file of the project, as an editor does: all at once."""
        path = self.project / name
        text = path.read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def write(self, name: str, text: str) -> None:
        """Save a file of the project."""
        path = self.project / name
        draft = path.with_name(f"{path.name}~")
        draft.write_text(text)
        draft.replace(path)

    def wflow(self, *arguments: str, stdin: str = "", cwd: Path | None = None) -> Ran:
        """Run a command to its end."""
        done = subprocess.run(
            [sys.executable, "-m", "wflow", *arguments],
            cwd=cwd or self.project,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    def start(self, *arguments: str, cwd: Path | None = None) -> Process:
        """Start a command that goes on."""
        return Process(self, arguments, cwd or self.project)

    @contextlib.contextmanager
    def dev(self, *arguments: str, cwd: Path | None = None) -> Iterator[Process]:
        """Have a dev session, and end it after the block."""
        with self.start("dev", "--port", "0", *arguments, cwd=cwd).ending() as session:
            session.ready()
            yield session

    @contextlib.contextmanager
    def runner(self, *arguments: str) -> Iterator[Process]:
        """Have a runner, and end it after the block."""
        with self.start(
            "runner", "start", "--port", "0", "--data-dir", str(self.data), *arguments
        ).ending() as up:
            up.ready()
            yield up

    @property
    def data(self) -> Path:
        return self.folder / "runner"

    @property
    def state(self) -> Path:
        return self.project / ".wflow" / "state"


class Process:
    """A command that goes on; what it prints is kept."""

    def __init__(self, world: World, arguments: Sequence[str], cwd: Path) -> None:
        self._folder = world.folder / f"process-{time.monotonic_ns()}"
        self._folder.mkdir()
        with (self._folder / "out").open("wb") as out, (self._folder / "err").open("wb") as err:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wflow", *arguments],
                cwd=cwd,
                env=world.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        self.token: str | None = None
        self.url = ""

    @property
    def out(self) -> str:
        """What it has printed on stdout."""
        return (self._folder / "out").read_text()

    @property
    def err(self) -> str:
        """What it has printed on stderr."""
        return (self._folder / "err").read_text()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def code(self) -> int | None:
        """Its exit code, once it has ended."""
        return self._process.poll()

    def close(self) -> None:
        """End it the hard way, if it has not ended."""
        if self.code is None:
            self._process.kill()
            self._process.wait(PATIENCE_S)

    def ready(self) -> str:
        """Wait until it says where it listens; gives the URL."""

        def told() -> str | None:
            assert self.code is None, self.err
            found = re.search(r"Ready on (http://\S+)", self.err)
            return found[1] if found else None

        self.url = wait_for(told, "Ready on ...")
        return self.url

    def says(self, text: str, *, after: int = 0) -> str:
        """Wait until it has printed something on stderr, beyond the first ``after`` characters."""
        return wait_for(lambda: self.err if text in self.err[after:] else None, f"{text!r} in:\n{self.err}")

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Make a request, with a connection of its own."""
        with httpx.Client(base_url=self.url, **PLAIN) as client:
            return client.request(method, path, **more)

    @contextlib.contextmanager
    def api(self, token: str | None = None) -> Iterator[api.Api]:
        """Speak to its API."""
        with api.connect(Remote(url=self.url, token=token)) as opened:
            yield opened

    def runtimes(self) -> list[int]:
        """Give the process ids of its runtimes."""
        return children(self.pid)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, and wait; gives the exit code."""
        self._process.send_signal(number)
        return self._process.wait(PATIENCE_S)

    def kill(self) -> list[int]:
        """Kill it as the power supply does; gives the runtimes it leaves."""
        left = self.runtimes()
        self._process.kill()
        self._process.wait(PATIENCE_S)
        return left

    @contextlib.contextmanager
    def ending(self) -> Iterator[Process]:
        """End it after the block, if it has not ended."""
        try:
            yield self
        finally:
            if self.code is None:
                self._process.terminate()
                try:
                    self._process.wait(PATIENCE_S)
                finally:
                    self._process.kill()


def children(pid: int) -> list[int]:
    """Give the process ids of a process's children."""
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


def lives(pid: int) -> bool:
    """Tell whether a process runs; one that waits to be buried does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in {"Z", "X"}


@dataclass(frozen=True, slots=True)
class Journals:
    """What is on disk, read from a copy while nobody writes."""

    settled: frozenset[tuple[str, str]]
    ends: Counter[tuple[str, str]]
    statuses: dict[str, str]


def read_journals(store: Path, scratch: Path, workflow: str) -> Journals:
    """Read all journals of a workflow from the store in a folder, leaving the store as it is."""
    copy = scratch / f"copy-{time.monotonic_ns()}"
    copy.mkdir()
    for file in store.glob("wflow.sqlite*"):
        shutil.copy(file, copy)
    return asyncio.run(_read(copy, workflow))


async def _read(folder: Path, workflow: str) -> Journals:
    store = await stores.connect(f"sqlite://{folder}")
    settled: set[tuple[str, str]] = set()
    ends: Counter[tuple[str, str]] = Counter()
    statuses: dict[str, str] = {}
    try:
        for instance in await store.find(workflow, limit=10_000):
            statuses[instance.id] = instance.status
            for record in await store.journal(instance.key, limit=10_000):
                match facts.decode(record.body):
                    case facts.Settled(key=key):
                        settled.add((instance.id, key))
                    case facts.Moved(status=status) if status in {"complete", "errored", "terminated"}:
                        ends[instance.id, status] += 1
    finally:
        await store.close()
    return Journals(frozenset(settled), ends, statuses)

"""Runners as a user has them: processes of the command line, with the project deployed, asked over HTTP."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode, urlsplit

from tests.bench import meter, profiles
from tests.bench.stage import packed_project
from tests.stories.processes import Process, World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CLIENT: Final = Path(__file__).parent / "client.py"
PATIENCE_S: Final = 600.0
ACCOUNT: Final = "/client/v4/accounts/local"


@dataclass(slots=True)
class Session:
    """A runner that is up; its state lies in ``data``."""

    process: Process
    data: Path
    token: str | None
    seconds: float = 0.0
    runner_s: float = 0.0
    runtime_s: float = 0.0

    @property
    def port(self) -> int:
        """Where it listens."""
        return urlsplit(self.process.url).port or 0

    @property
    def pids(self) -> list[int]:
        """The processes of runner and runtimes."""
        return [self.process.pid, *meter.runtimes(self.process.pid)]

    def memory_mb(self) -> float:
        """Tell what runner and runtimes take together."""
        return meter.memory_mb(*self.pids)

    def load(self, path: str, *, connections: int, requests: int, body: object) -> dict[str, Any]:
        """Have the client send so many requests; gives what it tells."""
        asked = {
            "port": self.port,
            "path": path,
            "token": self.token,
            "body": json.dumps(body),
            "connections": connections,
            "requests": requests,
        }
        told = subprocess.run(
            [sys.executable, str(CLIENT), json.dumps(asked)],
            check=True,
            stdout=subprocess.PIPE,
            timeout=PATIENCE_S,
        )
        answer: dict[str, Any] = json.loads(told.stdout)
        return answer

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Make one request of the API; gives its result."""
        answer = self.process.ask(method, ACCOUNT + path, headers=self._headers(), json=body)
        assert answer.is_success, answer.text
        return answer.json()

    @contextlib.contextmanager
    def asking(self) -> Iterator[Callable[[str], float]]:
        """Give a function that makes one request on a connection that stays, and tells the milliseconds."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

        def ask(path: str) -> float:
            began = time.perf_counter()
            connection.request("GET", path, headers=self._headers())
            answer = connection.getresponse()
            body = answer.read()
            took_ms = (time.perf_counter() - began) * 1e3
            assert answer.status == 200, body
            return took_ms

        with contextlib.closing(connection):
            yield ask

    def visit(self, path: str, **query: object) -> str:
        """Make one request of the Worker; gives the body."""
        answer = self.process.ask("GET", f"{path}?{urlencode(query)}", timeout=PATIENCE_S)
        assert answer.is_success, answer.text
        return answer.text

    def fill(self, binding: str, count: int, params: object = None, *, at_once: int = 1) -> float:
        """Have the Worker create so many instances, in batches of 100; gives the seconds that took it."""
        told = json.loads(
            self.visit("/fill", binding=binding, count=count, params=json.dumps(params), at_once=at_once)
        )
        assert told["created"] == count, told
        return float(told["seconds"])

    def sql(self, statement: str, *parameters: object) -> list[Any]:
        """Look into the database beside the runner, which does not notice."""
        uri = f"{(self.data / 'wflow.sqlite').as_uri()}?mode=ro"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=30)) as db:
            return db.execute(statement, parameters).fetchall()

    def counts(self, workflow: str) -> dict[str, int]:
        """Count a workflow's instances by status."""
        statement = "SELECT status, count(*) FROM instances WHERE workflow = ? GROUP BY status"
        return dict(self.sql(statement, workflow))

    def until(self, workflow: str, count: int, status: str = "complete", *, poll_s: float = 0.25) -> None:
        """Wait until so many instances have a status."""
        deadline = time.monotonic() + PATIENCE_S
        while (counts := self.counts(workflow)).get(status, 0) < count:
            assert time.monotonic() < deadline, counts
            assert self.process.code is None, self.process.err
            time.sleep(poll_s)

    @contextlib.contextmanager
    def measuring(self) -> Iterator[None]:
        """Take the time of the block, wall and CPU; and profiles, when they are wanted."""
        runner, *runtimes = pids = self.pids
        before = [meter.process_seconds(pid) for pid in pids]
        profiles.begin(pids, here=False)
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds = time.perf_counter() - began
            profiles.end(pids, here=False)
        self.runner_s = meter.process_seconds(runner) - before[0]
        self.runtime_s = sum(map(meter.process_seconds, runtimes)) - sum(before[1:])

    def each_us(self, count: int) -> dict[str, float]:
        """Share the CPU seconds of the last block among so many, in microseconds."""
        return {"runner us": self.runner_s / count * 1e6, "runtime us": self.runtime_s / count * 1e6}

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}


@contextlib.contextmanager
def world() -> Iterator[World]:
    """Have a folder with a home, which is gone after the block."""
    profiles.prepare()
    with tempfile.TemporaryDirectory(prefix="wflow-bench-", ignore_cleanup_errors=True) as folder:
        yield World(Path(folder))


@contextlib.contextmanager
def deployed(*arguments: str) -> Iterator[Session]:
    """Have a runner with the project deployed and its runtime up."""
    with world() as here, started(here, *arguments) as session:
        deploy(session)
        yield session


def deploy(session: Session) -> None:
    """Deploy the project, and wait until it answers."""
    packed = packed_project()
    with session.process.api(session.token) as api:
        api.scripts.deploy(packed.manifest.name, packed.data, digest=packed.manifest.digest)
    session.visit("/")


@contextlib.contextmanager
def started(here: World, *arguments: str) -> Iterator[Session]:
    """Have a runner over the state in ``here``, and end it after the block."""
    here.folder.joinpath("work").mkdir(exist_ok=True)
    starting = here.start(
        *("runner", "start", "--port", "0", "--data-dir", str(here.data), *arguments),
        cwd=here.folder / "work",
    )
    token = here.folder / "token"
    with starting.ending() as process:
        process.ready()
        if not token.exists():
            token.write_text(process.out.strip())
        yield Session(process, here.data, token.read_text())


@contextlib.contextmanager
def dev(here: World, project: Path) -> Iterator[Session]:
    """Have a dev session over a project."""
    with here.start("dev", "--port", "0", cwd=project).ending() as process:
        process.ready()
        yield Session(process, project / ".wflow" / "state", None)


def laid_out(here: World, project: Path) -> Path:
    """Copy a project to where a person would have theirs."""
    unwanted = shutil.ignore_patterns("__pycache__", ".wflow", "template.toml")
    return Path(shutil.copytree(project, here.folder / "project", ignore=unwanted))

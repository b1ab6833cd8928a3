"""What the tests of the command line share: an own home, two ways to run a command, a runner's HTTP side."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest

from wflow.cli import app, credentials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person who never used wflow before, in an empty folder."""
    home = tmp_path / "home"
    work = tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.chdir(work)
    for name in list(os.environ):
        if name.startswith(("WFLOW_", "XDG_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    return home


@pytest.fixture
def wflow(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run a command in this process, through the real entry point."""

    def run(*arguments: str) -> Ran:
        monkeypatch.setattr(sys, "argv", ["wflow", *arguments])
        code = app.main()
        printed = capsys.readouterr()
        return Ran(code=code, out=printed.out, err=printed.err)

    return run


@pytest.fixture
def process() -> Callable[..., Ran]:
    """Run a command in a process of its own, as a shell does."""

    def run(*arguments: str, stdin: str = "") -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "wflow", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    return run


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    method: str
    path: str
    query: dict[str, str]
    token: str | None
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Runner:
    """A runner's HTTP side: gives the answers it was told, and remembers what it was asked."""

    url: str
    answers: dict[tuple[str, str], tuple[int, bytes]]
    asked: list[Asked]

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

    def gives(self, method: str, path: str, result: object, info: dict[str, object] | None = None) -> None:
        body = {"success": True, "errors": [], "messages": [], "result": result, "result_info": info or {}}
        self.answers[method, path] = (200, json.dumps(body).encode())

    def refuses(self, method: str, path: str, status: int, **problem: object) -> None:
        body = {"success": False, "errors": [problem], "messages": [], "result": None}
        self.answers[method, path] = (status, json.dumps(body).encode())


@pytest.fixture
def runner() -> Iterator[Runner]:
    answers: dict[tuple[str, str], tuple[int, bytes]] = {}
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            address = urlsplit(self.path)
            path = address.path.removeprefix("/client/v4")
            asked.append(
                Asked(
                    method=self.command,
                    path=path,
                    query=dict(parse_qsl(address.query)),
                    token=(self.headers["authorization"] or "").removeprefix("Bearer ") or None,
                    body=self.rfile.read(int(self.headers["content-length"] or 0)),
                )
            )
            nothing = {"success": False, "errors": [{"code": 7003, "message": f"nothing lies at {path}"}]}
            status, body = answers.get((self.command, path), (404, json.dumps(nothing).encode()))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer  # noqa: N815  what http.server calls

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield Runner(f"http://127.0.0.1:{server.server_port}", answers, asked)
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def logged_in(runner: Runner) -> Runner:
    """A runner that the person has logged in to."""
    credentials.write(credentials.Credentials(url=runner.url, token="s3cret"))
    return runner

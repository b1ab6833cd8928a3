"""A real server on a loopback socket for each test, and servers that say what a test scripts."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.server.live import Live


@pytest.fixture
def live(tmp_path):
    live = Live(tmp_path / "data")
    yield live
    live.close()


class Script:
    """A server that gives scripted answers, (status, headers, body), and closes the connection after each."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        script = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self):
                script.asked.append((self.command, self.path, dict(self.headers)))
                status, headers, body = script.answers.pop(0)
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_POST = do_DELETE = answer  # noqa: N815 - http.server's names

            def log_message(self, *_args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def script():
    """Make a scripted server."""
    made = []

    def make(*answers):
        made.append(Script(*answers))
        return made[-1]

    yield make
    for one in made:
        one.close()

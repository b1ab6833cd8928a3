"""What Cloudflare's Python projects import as `workers` and `asgi`, and how their handlers are called."""

from __future__ import annotations

import asyncio
import http.server
import json
import sys
import textwrap
import threading
from http import HTTPMethod, HTTPStatus
from typing import TYPE_CHECKING, Any

import pytest

import wflow
from tests.runtime.stage import play
from wflow.bundle.manifest import Manifest, WorkflowEntry
from wflow.errors import LoadError, NonRetryableError
from wflow.link.frames import Fetch
from wflow.runtime import aliases, loader, worker, workers
from wflow.runtime.env import Env
from wflow.runtime.execution import ExecutionContext, entered
from wflow.runtime.fitting import fitting
from wflow.runtime.workers import Headers, Request, Response, fetch, outgoing, workflows

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


URL = "http://localhost:8787/a%20b/c?q=1&r=%2F"


class Project:
    """A project on disk that is loaded into this process."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def load(self, text: str, *workflows: str) -> loader.Code:
        self.write("src/entry.py", text)
        entries = tuple(WorkflowEntry(name=name, class_name=name, binding=name) for name in workflows)
        manifest = Manifest(
            name="shop",
            main="src/entry.py",
            python="3.11",
            wflow="0",
            compatibility_date=None,
            workflows=entries,
            kv=(),
            vars={},
            files={},
        )
        return loader.load(self.root, manifest)

    def answer(self, text: str, method: str = "GET", body: bytes = b"") -> tuple[int, dict[str, str], str]:
        """Load a Worker and ask it."""
        code = self.load(text)
        asked = Fetch(1, method, URL, [("x-color", "red")], body)
        ctx = ExecutionContext()

        async def answered() -> tuple[int, dict[str, str], str]:
            with entered(ctx):
                found = await worker.answer(code.worker, Env({"GREETING": "hello"}), ctx, (asked, body))
                pieces = (
                    [found.body] if isinstance(found.body, bytes) else [each async for each in found.body]
                )
            await ctx.finished()
            return found.status, dict(found.headers), b"".join(pieces).decode()

        return asyncio.run(answered())


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    modules = dict(sys.modules)
    yield Project(tmp_path)
    for name in set(sys.modules) - set(modules):
        if not name.startswith("wflow"):
            del sys.modules[name]
    sys.modules.update(modules)


# -- what is imported ------------------------------------------------------------------------------------


def test_a_project_imports_cloudflares_modules_and_finds_wflows(project: Project):
    code = project.load(
        """
        import asgi, workers, workers.asgi
        from workers import Headers, Request, Response, WorkerEntrypoint, WorkflowEntrypoint, fetch, handler
        from workers import asgi as again, python_from_rpc, python_to_rpc, wait_until, waitUntil
        from workers.workflows import NonRetryableError

        assert asgi is again is workers.asgi
        assert python_to_rpc(python_from_rpc({"a": 1})) == {"a": 1}

        class Order(WorkflowEntrypoint):
            async def run(self, event, step):
                raise NonRetryableError("no")

        class Default(WorkerEntrypoint):
            async def fetch(self, request):
                return Response("hi")
        """,
        "Order",
    )
    assert issubclass(code.workflows["Order"], wflow.WorkflowEntrypoint)
    assert code.worker is not None
    assert issubclass(code.worker, wflow.WorkerEntrypoint)
    assert code.handlers() == ["fetch"]
    assert workflows.NonRetryableError is NonRetryableError


@pytest.mark.parametrize("own", ["workers.py", "src/workers/__init__.py"])
def test_a_projects_own_module_of_that_name_goes_first(project: Project, own: str):
    project.write(own, "MINE = 1")
    code = project.load(
        """
        from wflow import Response, WorkerEntrypoint
        from workers import MINE
        import asgi

        class Default(WorkerEntrypoint):
            async def fetch(self, request):
                return Response(asgi.__name__)
        """
    )
    assert code.worker is not None


def test_a_folder_of_that_name_that_is_no_package_is_no_module(project: Project):
    project.write("workers/readme.txt", "our other Workers")
    assert project.load("from workers import Response").worker is None


def test_env_can_be_imported_and_is_the_handlers(project: Project, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(workers, "env", Env({"GREETING": "ciao"}), raising=False)
    answer = project.answer(
        "from workers import Response, env\ndef on_fetch(): return Response(env.GREETING)"
    )
    assert answer[2] == "ciao"


@pytest.mark.parametrize(
    "line", ["from js import Response", "import pyodide.ffi", "from pyodide.ffi import to_js"]
)
def test_javascript_is_missing_and_the_error_says_what_to_do(project: Project, line: str):
    with pytest.raises(LoadError) as caught:
        project.load(line)
    assert caught.value.hint is not None
    assert "there is no JavaScript here: take Response and fetch from `workers`" in caught.value.hint


def test_what_wflow_lacks_of_cloudflares_module_is_an_error_that_lists_what_it_has(project: Project):
    with pytest.raises(LoadError) as caught:
        project.load("from workers import DurableObject")
    assert "cannot import name 'DurableObject'" in caught.value.message
    assert caught.value.hint == f"of Cloudflare's `workers`, wflow has {', '.join(workers.__all__)}"


def test_every_alias_leads_to_a_module():
    assert {name.partition(".")[0] for name in aliases.MODULES} == {"workers", "asgi"}
    assert all(home.startswith("wflow.runtime.workers") for home in aliases.MODULES.values())


# -- handlers --------------------------------------------------------------------------------------------

FUNCTION = "from workers import *\n"
CLASS = "from workers import *\nclass Default(WorkerEntrypoint):\n    "


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (CLASS + "async def fetch(self): return Response(self.env.GREETING)", "hello"),
        (CLASS + "async def fetch(self, request): return Response(request.path)", "/a%20b/c"),
        (CLASS + "async def fetch(self, request, env): return Response(env.GREETING)", "hello"),
        (CLASS + "def fetch(self, request, env, ctx): return Response(str(ctx is self.ctx))", "True"),
        (CLASS + "async def fetch(self, *given): return Response(str(len(given)))", "3"),
        (FUNCTION + "def on_fetch(): return Response('bare')", "bare"),
        (FUNCTION + "async def on_fetch(request): return Response(request.method)", "GET"),
        (FUNCTION + "@handler\nasync def on_fetch(request, env): return Response(env.GREETING)", "hello"),
        (FUNCTION + "async def on_fetch(request, env, ctx): return Response(str(ctx)[1:6])", "wflow"),
        (CLASS.replace("workers", "wflow") + "def fetch(self): return Response('native')", "native"),
    ],
)  # fmt: skip
def test_handlers_get_as_many_arguments_as_they_take(project: Project, text: str, told: str):
    assert project.answer(text)[2] == told


def test_a_class_goes_before_functions(project: Project):
    functions = "\ndef on_fetch(): return Response('function')"
    assert project.answer(CLASS + "def fetch(self): return Response('class')" + functions)[2] == "class"


def test_a_module_without_handlers_has_no_worker(project: Project):
    code = project.load("from workers import *\non_fetch = 5")
    assert (code.worker, code.handlers()) == (None, [])


def test_a_wflow_worker_gets_wflows_request_and_a_cloudflare_one_cloudflares(project: Project):
    ask = "async def fetch(self, request): return Response(type(request).__module__)"
    assert project.answer(CLASS.replace("workers", "wflow") + ask)[2] == "wflow.runtime.http"
    del sys.modules["entry"]
    assert project.answer(CLASS + ask)[2] == "wflow.runtime.workers.request"


def test_run_gets_as_many_arguments_as_it_takes():
    def none(): ...
    def one(event): ...
    def some(event, step=None): ...
    def many(*given): ...
    def named(event, *, step=None): ...

    assert [len(fitting(each, 1, 2)) for each in (none, one, some, many, named)] == [0, 1, 2, 2, 1]


def test_what_is_left_to_do_after_the_answer_is_done_and_its_errors_are_logged(project: Project, capsys: Any):
    status, _, body = project.answer(
        """
        import asyncio
        from workers import Response, wait_until

        done = []

        async def later(what):
            done.append(what)
            if what == "c":
                raise ValueError("too late")

        async def on_fetch(request, env, ctx):
            ctx.waitUntil(later("a"))
            ctx.wait_until(later("b"))
            wait_until(later("c"))
            ctx.pass_through_on_exception()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            return Response("".join(done))
        """
    )
    assert (status, body) == (200, "abc")
    assert "ValueError: too late" in capsys.readouterr().err


# -- request and response --------------------------------------------------------------------------------


def test_a_request_answers_as_cloudflares_does():
    request = Request.of(Fetch(1, "POST", URL, [("x-color", "red"), ("cookie", "a=1")], b'{"n": 1}'))

    async def read():
        clones = [request.clone() for _ in range(3)]
        return [
            await request.text(),
            await clones[0].bytes(),
            await clones[1].buffer(),
            await clones[2].json(),
        ]

    assert asyncio.run(read()) == ['{"n": 1}', b'{"n": 1}', b'{"n": 1}', {"n": 1}]
    assert request.js_object is request
    assert request.method is HTTPMethod.POST
    assert (request.method, f"{request.method}", request.url, request.path) == (
        "POST",
        "POST",
        URL,
        "/a%20b/c",
    )
    assert request.headers["X-Color"] == "red"
    assert request.headers["authorization"] is None
    assert request.headers.get("authorization", "none") == "none"
    assert [request.cf] == [None]
    assert repr(request) == f"Request(method='POST', url={URL!r})"
    assert isinstance(request, wflow.Request)


def test_a_request_is_made_of_a_url_or_of_another_request():
    first = Request("http://a/", method="post", headers={"X-One": "1"}, body="ä", cf={"cacheTtl": 5})
    second = Request(first, method="PROPFIND", headers=[("x-two", "2")])
    assert (first.method, first.sent(), first.headers["content-type"]) == (
        "POST",
        "ä".encode(),
        "text/plain;charset=UTF-8",
    )
    assert (second.method, second.sent(), second.headers.items()) == (
        "PROPFIND",
        "ä".encode(),
        [("x-two", "2")],
    )
    assert (first.clone().sent(), Request("http://a/").body) == ("ä".encode(), None)
    with pytest.raises(TypeError, match="a form, a blob or a stream"):
        Request("http://a/", body={})


def test_headers_are_made_of_whatever_holds_pairs():
    for given in (
        {"A": "1"},
        [("A", "1")],
        {"A": "1"}.items(),
        Headers({"a": "1"}),
        wflow.Response(headers={"a": "1"}).headers,
    ):
        assert Headers(given).items() == [("a", "1")]
    headers = Headers([("set-cookie", "a=1"), ("Set-Cookie", "b=2"), ("x", "y")])
    assert headers.get_all("SET-COOKIE") == ["a=1", "b=2"]
    assert (headers.get_all("z"), headers.get_all("z", [])) == (None, [])
    assert (headers.keys(), headers.values()) == (["set-cookie", "set-cookie", "x"], ["a=1", "b=2", "y"])
    del headers["Set-Cookie"]
    assert headers.items() == [("x", "y")]


ANY: Any = {}
PAIRS = [("a", "1"), ("a", "2")]


@pytest.mark.parametrize(
    ("response", "parts"),
    [
        (Response(), (200, [], b"")),
        (Response("hi"), (200, [("content-type", "text/plain;charset=UTF-8")], b"hi")),
        (Response(b"hi", 201, "Created", {"X-A": "b"}), (201, [("x-a", "b")], b"hi")),
        (Response(b"", status=HTTPStatus.NO_CONTENT), (204, [], b"")),
        (Response(Response(b"hi", 404, "", PAIRS)), (404, PAIRS, b"hi")),
        (Response(wflow.Response(b"hi")), (200, [], b"hi")),
        (Response.json({"a": [1]}), (200, [("content-type", "application/json")], b'{"a":[1]}')),
        (Response.json([], headers={"Content-Type": "a/b"}), (200, [("content-type", "a/b")], b"[]")),
        (Response.from_json("x", 500, "Oh"), (500, [("content-type", "application/json")], b'"x"')),
        (Response.redirect("https://a/b"), (302, [("location", "https://a/b")], b"")),
        (Response.redirect("/b", 308), (308, [("location", "/b")], b"")),
        (Response("a", 203).replace_body(b"b"), (203, [("content-type", "text/plain;charset=UTF-8")], b"b")),
    ],
)  # fmt: skip
def test_a_response_is_made_in_cloudflares_ways(response: Response, parts: object):
    assert response.parts() == parts
    assert response.clone().parts() == parts
    assert isinstance(response, wflow.Response)


@pytest.mark.parametrize(
    ("make", "error", "told"),
    [
        (lambda: Response(ANY), TypeError, "Response.json takes the rest"),
        (lambda: Response("", 42), ValueError, "from 200 to 599"),
        (lambda: Response(Response(""), 404), ValueError, "takes no options"),
        (lambda: Response(web_socket=ANY), TypeError, "no WebSockets"),
        (lambda: Response.redirect("/", 200), ValueError, "one of 301, 302, 303, 307, 308"),
        (lambda: Response.json(object()), TypeError, "has no JSON"),
        (lambda: asyncio.run(Response("{").json()), ValueError, "no JSON"),
    ],
)
def test_a_response_that_cannot_be_is_refused(make: Any, error: type[Exception], told: str):
    with pytest.raises(error, match=told):
        make()


def test_a_response_can_be_read():
    response = Response('{"a": 1}', 200, "Fine")

    async def read():
        clones = [response.clone() for _ in range(3)]
        return [
            await response.text(),
            await clones[0].string(),
            await clones[1].buffer(),
            await clones[2].json(),
        ]

    assert asyncio.run(read()) == ['{"a": 1}', '{"a": 1}', b'{"a": 1}', {"a": 1}]
    assert (response.ok, Response(status=404).ok, response.status_text) == (True, False, "Fine")
    assert response.js_object is response
    assert repr(response) == "Response(status=200)"


# -- fetch -----------------------------------------------------------------------------------------------


class Elsewhere(http.server.BaseHTTPRequestHandler):
    """Somebody else's server: it says what it was asked."""

    def do_GET(self) -> None:
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("location", "/there")
            self.send_header("content-length", "0")
            self.end_headers()
            return
        length = int(self.headers.get("content-length", "0"))
        said = {"method": self.command, "path": self.path, "color": self.headers.get("x-color")}
        body = json.dumps({**said, "body": self.rfile.read(length).decode()}).encode()
        self.send_response(404 if self.path == "/lost" else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 - the standard library calls it so

    def log_message(self, *_given: object) -> None:
        pass


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def fetched(*given: Any, **named: Any) -> tuple[Response, Any]:
    async def ask() -> tuple[Response, Any]:
        response = await fetch(*given, **named)
        await outgoing._client(asyncio.get_running_loop()).aclose()
        return response, await response.json() if response.body else None

    return asyncio.run(ask())


def test_fetch_sends_a_request_and_gives_the_answer(elsewhere: str):
    response, said = fetched(f"{elsewhere}/x", method=HTTPMethod.POST, headers={"X-Color": "red"}, body="hi")
    assert said == {"method": "POST", "path": "/x", "color": "red", "body": "hi"}
    assert (response.status, response.ok, response.url) == (200, True, f"{elsewhere}/x")
    response, said = fetched(Request(f"{elsewhere}/lost"), {"method": "GET", "body": None})
    assert (response.status, response.ok, said["path"]) == (404, False, "/lost")


def test_fetch_follows_redirects_unless_it_is_told_not_to(elsewhere: str):
    response, said = fetched(f"{elsewhere}/moved")
    assert (response.url, said["path"]) == (f"{elsewhere}/there", "/there")
    response, _ = fetched(f"{elsewhere}/moved", redirect="manual")
    assert (response.status, response.headers["location"]) == (302, "/there")
    with pytest.raises(OSError, match="was redirected"):
        fetched(f"{elsewhere}/moved", redirect="error")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "no url"])
def test_no_answer_is_an_os_error(url: str):
    with pytest.raises(OSError, match="failed"):
        fetched(url)


def test_workflow_code_cannot_fetch():
    async def run(event: Any, ctx: Any) -> None:
        await fetch("http://localhost/")

    assert play(run).failure.message == "workflow code cannot fetch(): this is I/O; put it in a step (ctx.do)"

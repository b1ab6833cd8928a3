"""Small programs as Cloudflare shows them for Python: each starts as it lies, with its wrangler.jsonc."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

from tests.stories.processes import World, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stories.processes import Process

CLASSES = """
from urllib.parse import urlparse

from workers import Response, WorkerEntrypoint, WorkflowEntrypoint


class Baking(WorkflowEntrypoint):
    async def run(self, event, step):
        @step.do("flour")
        async def flour():
            print("fetching flour")

        @step.do("water")
        async def water():
            print("fetching water")

        @step.do("dough", depends=[flour, water], concurrent=True)
        async def dough(one=None, two=None):
            return "kneaded"

        return await dough()


class Default(WorkerEntrypoint):
    async def scheduled(self, controller, env, ctx):
        await env.SHELF.put("fired", controller.cron)

    async def fetch(self, request):
        path = urlparse(request.url).path
        if path == "/shelf":
            await self.env.SHELF.put("bread", "rye")
            return Response(await self.env.SHELF.get("bread"))
        if path == "/fired":
            return Response(await self.env.SHELF.get("fired"))
        if path == "/make":
            await self.env.DB.prepare("CREATE TABLE loaves (id INTEGER PRIMARY KEY, name TEXT)").run()
            await self.env.DB.prepare("INSERT INTO loaves (name) VALUES (?)").bind("spelt").run()
            return Response("made")
        if path == "/query":
            results = await self.env.DB.prepare("SELECT name FROM loaves ORDER BY RANDOM() LIMIT 1;").all()
            return Response.json(results.results[0])
        if path == "/start":
            instance = await self.env.BAKING.create()
            return Response("started " + instance.id)
        if "/status" in path:
            instance = await self.env.BAKING.get(path.split("/")[-1])
            return Response.json(await instance.status())
        return Response("Hello!")
"""
APPLICATION = """
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from workers import WorkerEntrypoint


async def root(request):
    return JSONResponse({"message": "the root"})


async def hello(request):
    return JSONResponse({"message": f"Hello, {request.path_params['name']}!"})


async def env(request):
    return JSONResponse({"message": request.scope["env"].MESSAGE})


app = Starlette(routes=[Route("/", root), Route("/hi/{name}", hello), Route("/env", env)])


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        import asgi

        return await asgi.fetch(app, request.js_object, self.env)
"""
FUNCTIONS = """
from workers import Response, handler, wsgi


def application(environ, start_response):
    start_response("200 OK", [("content-type", "application/json")])
    return [b'{"message": "from WSGI"}']


@handler
async def on_fetch(request, env, ctx):
    if "/wsgi" in request.url:
        return await wsgi.fetch(application, request, env)
    return Response(request.headers["x-who"] or "nobody", status=202)


async def on_scheduled(controller, env, ctx):
    print("fired at", controller.scheduledTime)
"""


@contextlib.contextmanager
def running(folder: Path, source: str, **config: Any) -> Iterator[Process]:
    """Have a session of a project that was made for Cloudflare."""
    world = World(folder)
    (world.project / "src").mkdir(parents=True)
    common = {
        "$schema": "node_modules/wrangler/config-schema.json",
        "name": "bakery",
        "main": "src/entry.py",
        "compatibility_date": "2026-03-01",
        "compatibility_flags": ["python_workers"],
        "observability": {"enabled": True},
    }
    (world.project / "wrangler.jsonc").write_text("// a comment\n" + json.dumps({**common, **config}))
    (world.project / "src" / "entry.py").write_text(source)
    with world.dev() as session:
        yield session


def test_a_class_with_everything_bound_to_it(tmp_path: Path):
    bindings = {
        "kv_namespaces": [{"binding": "SHELF", "id": "<YOUR_KV_NAMESPACE_ID>"}],
        "d1_databases": [{"binding": "DB", "database_name": "loaves", "database_id": "408cddb7"}],
        "workflows": [{"name": "baking", "binding": "BAKING", "class_name": "Baking"}],
        "triggers": {"crons": ["*/1 * * * *"]},
    }
    with running(tmp_path, CLASSES, **bindings) as session:
        hello = session.ask("GET", "/")
        assert (hello.text, hello.headers["content-type"]) == ("Hello!", "text/plain;charset=UTF-8")
        assert session.ask("GET", "/shelf").text == "rye"
        assert session.ask("GET", "/make").text == "made"
        assert session.ask("GET", "/query").json() == {"name": "spelt"}
        fired = session.ask("GET", "/cdn-cgi/local/scheduled", params={"cron": "*/1 * * * *"})
        assert fired.status_code == 200, fired.text
        assert session.ask("GET", "/fired").text == "*/1 * * * *"
        id_ = session.ask("GET", "/start").text.removeprefix("started ")

        def over() -> bool:
            return bool(session.ask("GET", f"/status/{id_}").json()["output"] == "kneaded")

        wait_for(over, "the end of the instance")


def test_an_asgi_application(tmp_path: Path):
    with running(tmp_path, APPLICATION, vars={"MESSAGE": "my own"}) as session:
        told = [session.ask("GET", path).json()["message"] for path in ("/", "/hi/Ada", "/env")]
        assert told == ["the root", "Hello, Ada!", "my own"]
        assert session.ask("GET", "/nowhere").status_code == 404


def test_functions(tmp_path: Path):
    with running(tmp_path, FUNCTIONS, triggers={"crons": ["0 0 1 1 *"]}) as session:
        answer = session.ask("GET", "/", headers={"X-Who": "ada"})
        assert (answer.status_code, answer.text) == (202, "ada")
        assert session.ask("GET", "/").text == "nobody"
        assert session.ask("GET", "/wsgi").json() == {"message": "from WSGI"}
        assert session.ask("GET", "/cdn-cgi/local/scheduled").status_code == 200
        session.says("fired at 1")

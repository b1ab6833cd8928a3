"""A project that was written for Cloudflare's Python Workers starts as it lies: wrangler.jsonc and all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.processes import World, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.stories.processes import Process

CONFIG = """
{
  // As `wrangler init` leaves it, more or less.
  "$schema": "node_modules/wrangler/config-schema.json",
  "name": "bakery",
  "main": "src/entry.py",
  "compatibility_date": "2026-03-01",
  "compatibility_flags": ["python_workers", "python_workflows"],
  "observability": { "enabled": true },
  "workflows": [{ "name": "baking", "binding": "BAKING", "class_name": "Baking" }],
  "kv_namespaces": [{ "binding": "SHELF", "id": "<YOUR_KV_NAMESPACE_ID>" }],
  "r2_buckets": [{ "binding": "FILES", "bucket_name": "files" }],
  "vars": { "OVEN": "old" },
}
"""

ENTRY = """
from urllib.parse import parse_qs, urlparse

from workers import Response, WorkerEntrypoint, WorkflowEntrypoint
from workers.workflows import NonRetryableError

import recipes


class Baking(WorkflowEntrypoint):
    async def run(self, event, step):
        loaves = event["payload"]["loaves"]

        @step.do()
        async def knead():
            if loaves > 100:
                raise NonRetryableError("the oven is too small")
            return {"loaves": loaves}

        @step.do("preheat", config={"retries": {"limit": 2, "delay": 0, "backoff": "constant"}})
        def heat(ctx):
            if ctx["attempt"] == 1:
                raise RuntimeError("the pilot flame is out")
            return {"oven": self.env.OVEN, "attempt": ctx["attempt"]}

        @step.do("bake", concurrent=True)
        async def bake(knead, preheat):
            return {**knead, **preheat}

        await step.sleep("cool down", "1 second")
        baked = await bake()
        paid = await step.wait_for_event("wait to be paid", "paid", timeout="1 hour")

        @step.do("shelve", depends=[bake])
        async def shelve(loaf):
            await self.env.SHELF.put(event["instanceId"], str(loaf["loaves"]))
            return recipes.NAME

        return {**baked, "by": paid["payload"]["by"], "recipe": await shelve()}


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        url = urlparse(request.url)
        if url.path == "/start":
            id = parse_qs(url.query)["id"][0]
            order = await self.env.BAKING.create({"id": id, "params": await request.json()})
            return Response.json({"id": order.id}, status=201)
        if url.path == "/shelf":
            return Response(await self.env.SHELF.get(parse_qs(url.query)["id"][0]))
        if url.path == "/database":
            return Response(await self.env.FILES.get("x"))
        order = await self.env.BAKING.get(url.path.strip("/"))
        if request.method == "POST":
            await order.send_event({"type": "paid", "payload": await request.json()})
        return Response.from_json(await order.status())
"""

APP = """
import asgi
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route


async def home(request):
    env = request.scope["env"]
    order = await env.BAKING.create(params=await request.json())
    return JSONResponse({"oven": env.OVEN, "path": request.url.path, "id": order.id}, headers={"x-app": "1"})


app = Starlette(routes=[Route("/app/{rest:path}", home, methods=["POST"])])


async def on_fetch(request, env):
    return await asgi.fetch(app, request.js_object, env)
"""


def open_bakery(folder: Path) -> World:
    """Make somebody with a Cloudflare project, who has never heard of wflow.toml."""
    world = World(folder)
    (world.project / "src").mkdir(parents=True)
    world.write("wrangler.jsonc", CONFIG)
    world.write("src/recipes.py", 'NAME = "rye"\n')
    world.write("src/entry.py", ENTRY)
    return world


@pytest.fixture(scope="module")
def bakery(tmp_path_factory: pytest.TempPathFactory) -> World:
    return open_bakery(tmp_path_factory.mktemp("bakery"))


@pytest.fixture(scope="module")
def session(bakery: World) -> Iterator[Process]:
    with bakery.dev() as session:
        yield session


def status(session: Process, id_: str) -> dict[str, Any]:
    found: dict[str, Any] = session.ask("GET", f"/{id_}").json()
    return found


def test_the_session_tells_what_the_project_has_and_what_it_lacks(session: Process):
    assert "env.BAKING (Baking)" in session.err
    assert "env.SHELF (<YOUR_KV_NAMESPACE_ID>)" in session.err
    assert "not supported" in next(line for line in session.err.splitlines() if "env.FILES" in line)


def test_an_order_is_baked_paid_and_shelved(session: Process):
    made = session.ask("POST", "/start?id=order-1", json={"loaves": 3})
    assert (made.status_code, made.json()) == (201, {"id": "order-1"})
    wait_for(lambda: status(session, "order-1")["status"] == "waiting", "the wait for the payment")
    session.ask("POST", "/order-1", json={"by": "card"})
    done = wait_for(
        lambda: (now := status(session, "order-1"))["status"] == "complete" and now, "the end of the order"
    )
    assert done["output"] == {"loaves": 3, "oven": "old", "attempt": 2, "by": "card", "recipe": "rye"}
    assert session.ask("GET", "/shelf?id=order-1").text == "3"


def test_an_error_that_is_not_to_be_retried_fails_the_order(session: Process):
    session.ask("POST", "/start?id=order-2", json={"loaves": 101})
    failed = wait_for(
        lambda: (now := status(session, "order-2"))["status"] == "errored" and now, "the end of the order"
    )
    assert failed["error"] == {"name": "NonRetryableError", "message": "the oven is too small"}


def test_a_binding_that_wflow_does_not_serve_is_missed_only_when_it_is_used(session: Process):
    answer = session.ask("GET", "/database")
    assert answer.status_code == 500
    assert "env has no 'FILES' yet: wflow does not serve `r2_buckets`" in answer.text


def test_the_check_notes_what_it_ignores_and_finds_nothing(bakery: World):
    checked = bakery.wflow("check")
    assert checked.code == 0, checked.out + checked.err
    assert "wrangler.jsonc:12 r2_buckets: not supported by wflow yet; ignored" in checked.out + checked.err


def test_a_save_of_the_config_and_of_the_code_is_taken_up(tmp_path: Path):
    bakery = open_bakery(tmp_path)
    with bakery.dev() as session:
        bakery.edit("wrangler.jsonc", '"OVEN": "old"', '"OVEN": "new"')
        session.says("(wrangler.jsonc)")
        bakery.write("src/app.py", APP)
        bakery.edit(
            "src/entry.py", "class Default(WorkerEntrypoint):", "from app import on_fetch\n\nclass Was:"
        )
        wait_for(
            lambda: session.ask("POST", "/app/x", json={"loaves": 1}).status_code == 200, "the application"
        )
        answer = session.ask("POST", "/app/a%20b?c=1", json={"loaves": 1})
        assert answer.headers["x-app"] == "1"
        assert {**answer.json(), "id": ""} == {"oven": "new", "path": "/app/a b", "id": ""}


def test_a_runner_takes_the_project_as_well(tmp_path: Path):
    bakery = open_bakery(tmp_path)
    with bakery.runner() as runner:
        token = wait_for(runner.out.strip, "the first token")
        known = bakery.wflow("login", "--url", runner.url, stdin=f"{token}\n")
        assert known.code == 0, known.err
        deployed = bakery.wflow("deploy")
        assert deployed.code == 0, deployed.err
        made = runner.ask("POST", "/start?id=order-1", json={"loaves": 3})
        assert (made.status_code, made.json()) == (201, {"id": "order-1"})

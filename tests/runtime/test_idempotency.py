"""Requests that bear the key of their step, on a real socket."""

from __future__ import annotations

import asyncio
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest

import wflow
from tests.runtime.stage import number, play
from wflow.errors import InvalidInput
from wflow.runtime.attempt import Place, here
from wflow.runtime.idempotency import HEADER, idempotent
from wflow.runtime.seed import step_key

AT_ONCE = {"limit": 2, "delay": 0}


class Shop(HTTPServer):
    """Notes the key of each request."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Door)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.keys: list[tuple[str, str | None]] = []


class Door(BaseHTTPRequestHandler):
    """Redirects from /old to /new."""

    server: Shop

    def do_POST(self):
        self.server.keys.append((self.path, self.headers.get(HEADER)))
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        moved = self.path == "/old"
        self.send_response(307 if moved else 200)
        self.send_header("Content-Length", "0")
        if moved:
            self.send_header("Location", "/new")
        self.end_headers()

    def log_message(self, *_args):
        pass


@pytest.fixture
def shop():
    server = Shop()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_attempt_of_a_step_sends_its_requests_with_the_same_keys(shop):
    async def charge(ctx):
        async with httpx.AsyncClient(base_url=shop.url, trust_env=False) as client:
            for path in ("/reserve", "/charge"):
                await client.post(path, auth=wflow.idempotent)
        if ctx.attempt < 3:
            raise OSError("try again")
        return ctx.idempotency_key

    async def run(event, ctx):
        return await ctx.do("charge", charge, retries=AT_ONCE)

    key = play(run).result
    assert len(key) == 32
    assert shop.keys == [("/reserve", key), ("/charge", f"{key}-2")] * 3


def test_a_plain_step_sends_them_from_its_thread_and_a_client_can_have_it_for_all_its_requests(shop):
    def charge(ctx):
        with httpx.Client(base_url=shop.url, auth=idempotent, trust_env=False) as client:
            client.post("/a")
            client.post("/b", headers={"idempotency-key": "my own"})
            client.post("/c")
        return ctx["idempotencyKey"]

    async def run(event, ctx):
        return await ctx.do("charge", charge)

    key = play(run).result
    assert shop.keys == [("/a", key), ("/b", "my own"), ("/c", f"{key}-2")]


def test_a_request_that_is_redirected_keeps_its_key(shop):
    async def charge(ctx):
        async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as client:
            await client.post(f"{shop.url}/old", auth=idempotent)
        return ctx.idempotency_key

    async def run(event, ctx):
        return await ctx.do("charge", charge)

    key = play(run).result
    assert shop.keys == [("/old", key), ("/new", key)]


def test_each_visit_of_a_step_has_its_own_key_which_a_replay_does_not_change():
    keys: dict[str, set[str]] = {}

    async def charge(ctx):
        keys.setdefault(f"{ctx.step.name}-{ctx.step.count}", set()).add(ctx.idempotency_key)

    async def run(event, ctx):
        for _ in range(3):
            await ctx.do("charge", charge)
        await ctx.do("refund", charge)

    play(run, crash_at={0, 2, 4, 6})
    assert sorted(keys) == ["charge-1", "charge-2", "charge-3", "refund-1"]
    assert all(len(each) == 1 for each in keys.values())
    assert len(set.union(*keys.values())) == 4


def test_another_instance_has_other_keys():
    async def charge(ctx):
        return ctx.idempotency_key

    async def run(event, ctx):
        return await ctx.do("charge", charge)

    assert play(run).result != play(run, seed=b"another one 1234").result


def test_tasks_of_one_attempt_count_their_requests_together():
    async def charge(ctx):
        async def send(n):
            await asyncio.sleep(0)
            return idempotent(httpx.Request("POST", f"http://shop/{n}")).headers[HEADER]

        return [ctx.idempotency_key, await asyncio.gather(*map(send, range(3)))]

    async def run(event, ctx):
        return await ctx.do("charge", charge)

    key, sent = play(run).result
    assert sorted(sent) == [key, f"{key}-2", f"{key}-3"]


def test_outside_a_step_there_is_no_key():
    request = httpx.Request("POST", "http://shop/")
    with pytest.raises(InvalidInput, match="for the requests of a step") as caught:
        idempotent(request)
    assert "ctx.do" in (caught.value.hint or "")
    assert HEADER not in request.headers

    async def run(event, ctx):
        try:
            idempotent(request)
        except InvalidInput as wrong:
            return [wrong.message, await ctx.do("one", number, 1)]

    told, _ = play(run).result
    assert "here none is running" in told


def test_a_request_that_has_a_key_keeps_it_anywhere():
    request = httpx.Request("POST", "http://shop/", headers={HEADER: "mine"})
    assert idempotent(request).headers[HEADER] == "mine"


def test_it_takes_whatever_has_headers():
    class Prepared:
        def __init__(self):
            self.headers: dict[str, str] = {}

    place = Place(7, "charge-1", 1, b"seed")
    token = here.set(place)
    try:
        assert idempotent(Prepared()).headers == {HEADER: step_key(place)}
    finally:
        here.reset(token)

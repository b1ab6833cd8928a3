"""A Worker that shows what requests, answers and other Workers can be."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

from effects import tell as say  # type: ignore[import-not-found]
from workers import (  # type: ignore[import-not-found]
    File,
    FormData,
    Headers,
    Response,
    WorkerEntrypoint,
    WorkflowEntrypoint,
    asgi,
    fetch,
    wsgi,
)
from workers import Request as WorkersRequest

if TYPE_CHECKING:
    from wflow import Context, Event
    from wflow import Request as Asked


class Asking(WorkflowEntrypoint):  # type: ignore[misc]
    async def run(self, event: Event, ctx: Context) -> Any:
        total = await self.env.TILL.add(1, 2, times=2)
        page = await (await self.env.SELF.fetch("http://self/cookies")).json()

        async def in_a_step() -> Any:
            return await (await self.env.SELF.fetch("http://self/stream?n=3")).text()

        return [total, page, await ctx.do("stream", in_a_step)]


class Till(WorkerEntrypoint):  # type: ignore[misc]
    async def add(self, one: int, two: int, *, times: int = 1) -> int:
        return (one + two) * times

    async def fetch(self, request: Asked) -> Response:
        return Response(f"till: {request.method} {await request.text()}")

    async def refuse(self) -> None:
        raise PermissionError("the till is locked")


class Default(WorkerEntrypoint):  # type: ignore[misc]
    async def fetch(self, request: Asked) -> Response:
        name = request.path.strip("/").replace("-", "_").partition("/")[0]
        answer: Response = await getattr(self, f"at_{name}")(request)
        return answer

    async def at_pid(self, _request: Asked) -> Response:
        return Response(str(os.getpid()))

    async def at_stream(self, request: Asked) -> Response:
        async def lines(up_to: int) -> Any:
            for number in range(up_to):
                yield f"{number}\n"
                await asyncio.sleep(0)

        return Response(lines(int(request.query["n"])))

    async def at_events(self, _request: Asked) -> Response:
        async def events() -> Any:
            try:
                for number in range(1_000_000):
                    yield f"id: {number}\ndata: tick\n\n"
                    await asyncio.sleep(0.01)
            finally:
                say(self.env.WITNESS, "the listener left")

        return Response(events(), headers={"content-type": "text/event-stream", "cache-control": "no-store"})

    async def at_sum(self, request: Asked) -> Response:
        size = total = 0
        assert request.body is not None
        async for piece in request.body:
            size += len(piece)
            total = (total + sum(piece)) % 65_521
        return Response.json({"size": size, "total": total})

    async def at_die(self, _request: Asked) -> Response:
        async def half() -> Any:
            yield "half of it"
            await asyncio.sleep(0.05)
            os._exit(1)

        return Response(half())

    async def at_raise(self, _request: Asked) -> Response:
        order = {"items": "<none>"}
        return Response(order["<price>"])

    async def at_form(self, request: Asked) -> Response:
        form = await request.form_data()
        told = {
            name: value if isinstance(value, str) else [value.name, await value.text()]
            for name, value in form.items()
        }
        return Response.json(told)

    async def at_echo_form(self, _request: Asked) -> Response:
        form = FormData({"name": "ada"})
        form.append("photo", File(b"\x89PNG", "a.png", "image/png"))
        return Response(form)

    async def at_cookies(self, request: Asked) -> Response:
        response = Response.json(
            {"cookies": request.cookies, "who": request.headers["cf-connecting-ip"] is not None}
        )
        response.set_cookie("session", "s 1", max_age=60, httponly=True, secure=True)
        response.set_cookie("theme", "dark")
        response.delete_cookie("old")
        return response

    async def at_later(self, _request: Asked) -> Response:
        async def later() -> None:
            await asyncio.sleep(0.3)
            say(self.env.WITNESS, "later")
            raise ValueError("too late to matter")

        self.ctx.wait_until(later())
        return Response("now", headers=Headers({"x-a": "1"}))

    async def at_gone(self, _request: Asked) -> Response:
        say(self.env.WITNESS, "began")
        try:
            await asyncio.sleep(600)
        finally:
            say(self.env.WITNESS, "cancelled")
        return Response("never")

    async def at_proxy(self, request: Asked) -> Response:
        return await fetch(f"{request.query['to']}", method=str(request.method), body=request.body)

    async def at_services(self, _request: Asked) -> Response:
        told: list[Any] = [await self.env.TILL.add(2, 3, times=4)]
        post = WorkersRequest("http://till/", method="POST", body="a coin")
        told.append(await (await self.env.TILL.fetch(post)).text())
        streamed = await self.env.SELF.fetch("http://self/stream?n=20000")
        told.append(len(await streamed.text()))
        for ask in (self.env.TILL.refuse(), self.env.TILL.nothing(), self.env.NOBODY.fetch("http://n/")):
            try:
                await ask
            except Exception as error:  # noqa: BLE001 - what it is told is the point
                told.append(f"{type(error).__name__}: {error}")
        return Response.json(told)

    async def at_loop(self, _request: Asked) -> Response:
        return await self.env.SELF.fetch("http://self/loop")

    async def at_asking(self, _request: Asked) -> Response:
        return Response.json((await self.env.ASKING.create()).id)

    async def at_asgi(self, request: Asked) -> Response:
        return await asgi.fetch(starlette_app(), request, self.env, self.ctx)

    async def at_wsgi(self, request: Asked) -> Response:
        return await wsgi.fetch(plain_wsgi, request, self.env)

    async def at_empty(self, request: Asked) -> Response:
        return Response(None, int(request.query["status"]))


def plain_wsgi(environ: Any, start_response: Any) -> Any:
    body = environ["wsgi.input"].read()
    start_response(
        "201 Created", [("content-type", "text/plain"), ("x-who", environ["workers.env"].WITNESS[:1])]
    )
    return (piece for piece in (environ["PATH_INFO"].encode(), b" ", str(len(body)).encode()))


_apps: list[Any] = []


def starlette_app() -> Any:
    if not _apps:
        from starlette.applications import Starlette
        from starlette.responses import StreamingResponse
        from starlette.routing import Route

        async def counted(request: Any) -> StreamingResponse:
            size = 0
            async for piece in request.stream():
                size += len(piece)

            async def told() -> Any:
                for number in range(3):
                    yield f"{number}:{size}:{request.scope['env'].WITNESS[:1]} "

            return StreamingResponse(told())

        _apps.append(Starlette(routes=[Route("/asgi", counted, methods=["GET", "POST"])]))
    return _apps[0]

"""`/workflows/{name}/instances/{id}/subscribe`: an instance's events, those that were and those that come."""

from __future__ import annotations

from contextlib import aclosing, contextmanager
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from wflow.bindings import happenings
from wflow.bindings.happenings import Reader
from wflow.engine import values
from wflow.engine.happenings import Happening, event
from wflow.errors import InstanceNotFound, TooMany
from wflow.server import addressed, passes, queries
from wflow.server.following import until_it_stops
from wflow.server.route import Answer, Call, Route, Site
from wflow.server.scopes import READ
from wflow.server.upgrade import Pushed, socket_of
from wflow.wire.shown import moment

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterator

NDJSON: Final = "application/x-ndjson"
SUBSCRIBERS: Final = 1_000
"""Subscriptions that one runner serves at once."""
BREATH_S: Final = 0.02
"""A busy store is looked at so often, not after each commit."""
BREATH_EACH_S: Final = 0.001
"""With many subscriptions less often: so long for each, so that all of them are no more work than a few."""
DELETED: Final = "deleted"
"""Stands for the status of an instance that is no more."""

_DONE: Final = 1000
_AWAY: Final = 1001
_GONE: Final = 4404
_encoder = msgspec.json.Encoder(enc_hook=str)


async def subscribe(call: Call) -> Response:
    """Give events as JSON: as messages of the WebSocket that is asked for, else one a line."""
    cursor = queries.number(call.query, "cursor")
    instance = await addressed.instance(call)
    end = await call.host.store.position()
    chosen = [each for given in call.query.getlist("filter") for each in given.split(",")]
    mark = happenings.mark(instance, cursor, chosen, end=end)
    if call.site.subscribers >= SUBSCRIBERS:
        raise TooMany(f"{SUBSCRIBERS:,} subscriptions are served already; that is the limit")
    subscription = Subscription(call.site, Reader(call.host, instance, mark))
    socket = socket_of(call.request)
    if socket is not None:
        return Pushed(socket, subscription.messages(), subscription.farewell)
    return StreamingResponse(subscription.lines(), media_type=NDJSON)


async def token(call: Call) -> Answer:
    """Make a pass for the WebSocket, for a client that cannot send a header."""
    instance = await addressed.instance(call)
    async with call.site.tokens_lock:
        text, expires_at = await passes.make(
            call.host.store, instance.workflow, instance.id, now=call.host.now()
        )
    return Answer(result={"token": text, "instance_id": instance.id, "expires_on": moment(expires_at)})


class Subscription:
    """What one client hears: ``ended`` is the status with which the instance was over, or DELETED."""

    def __init__(self, site: Site, reader: Reader) -> None:
        """Begin where the reader stands."""
        self.ended: str | None = None
        self._site = site
        self._reader = reader

    async def messages(self) -> AsyncGenerator[str, None]:
        """Give each event as JSON."""
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                for each in page:
                    yield self._json(each).decode()

    async def lines(self) -> AsyncGenerator[bytes, None]:
        """Give each event as a line of JSON, and now and then a line with nothing but the cursor.

        Such a one leads, so that whoever is cut off can go on without a gap; the last one says that it is
        done, and how the instance ended. Without that the runner stopped.
        """
        yield self._heartbeat()
        async with aclosing(self._pages()) as pages:
            async for page in pages:
                yield b"".join(self._json(each) + b"\n" for each in page) or self._heartbeat()
        if self.ended is not None:
            yield self._heartbeat(done=True, status=self.ended)

    def farewell(self) -> tuple[int, str]:
        """Give the code and the reason with which the WebSocket is closed."""
        if self.ended is None:
            return _AWAY, "the runner stops"
        return (_GONE if self.ended == DELETED else _DONE), self.ended

    async def _pages(self) -> AsyncGenerator[list[Happening], None]:
        with _counted(self._site):
            followed = happenings.follow(self._reader, lambda: breath_s(self._site.subscribers))
            async with aclosing(until_it_stops(self._site.host, followed)) as pages:
                try:
                    async for page in pages:
                        yield page
                except InstanceNotFound:
                    self.ended = DELETED
            if self._reader.over:
                self.ended = self._reader.mark.ended

    def _json(self, happening: Happening) -> bytes:
        shown = event(happening, self._reader.instance.id)
        return _encoder.encode(values.json_ready(shown))

    def _heartbeat(self, **more: object) -> bytes:
        return _encoder.encode({"cursor": self._reader.mark.after, **more}) + b"\n"


def breath_s(subscribers: int) -> float:
    """Say how long each of so many subscriptions leaves a busy store alone."""
    return max(BREATH_S, subscribers * BREATH_EACH_S)


@contextmanager
def _counted(site: Site) -> Iterator[None]:
    site.subscribers += 1
    try:
        yield
    finally:
        site.subscribers -= 1


_PLACE: Final = f"/accounts/{{account}}/workflows/{{workflow}}/instances/{{id}}{passes.PLACE}"

routes = [Route("GET", _PLACE, READ, subscribe), Route("GET", f"{_PLACE}/token", READ, token)]

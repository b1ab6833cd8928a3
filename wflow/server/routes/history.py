"""`.../instances/{id}/history`: the whole of an instance as a portable file, to be replayed anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response, StreamingResponse

from wflow.engine import facts
from wflow.engine.facts import Received
from wflow.engine.outcome import Failure
from wflow.errors import Forbidden, InvalidInput
from wflow.server import addressed, queries, scopes
from wflow.server.route import Call, Route
from wflow.stores import settings
from wflow.wire.history import Subject, Writer
from wflow.wire.redaction import KEY_CHARS, KEYS, Redaction

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wflow.stores.store import Instance, Store

RECORDS: Final = 200
"""Facts read at once: each may hold a value of a MiB."""


async def get(call: Call) -> Response:
    """Answer with the file itself, without the envelope: piece by piece, however long it is.

    `redact` takes all texts and numbers out, `redact_key` (as often as you like) what stands under a key;
    `with_sensitive` leaves the outputs of sensitive steps in, for those who may deploy. They alone get the
    seed, too: it foretells what the instance draws, and the idempotency keys of its steps.
    """
    redaction = _redaction(call)
    instance = await addressed.instance(call)
    store = call.host.store
    hash_seed = await settings.hash_seed(store, now=call.host.now())
    # First, so that none is lost: one that is received meanwhile is in the journal as well.
    past = (await store.load({instance.key: _BEYOND})).get(instance.key)
    events = [] if past is None else past.events
    listed = call.host.workflows()
    found = next((one.class_name for one in listed if one.name == instance.workflow), "")
    writer = Writer(redaction)
    head = writer.begin(_subject(instance, found), hash_seed)
    pieces = _pieces(store, instance.key, writer, head=head, events=events)
    name = f'attachment; filename="{instance.id}.json"'
    return StreamingResponse(pieces, media_type="application/json", headers={"content-disposition": name})


def _redaction(call: Call) -> Redaction:
    keys = call.query.getlist("redact_key")
    if len(keys) > KEYS or any(not 1 <= len(key) <= KEY_CHARS for key in keys):
        raise InvalidInput(f"`redact_key` is a name of 1 to {KEY_CHARS} characters, {KEYS} times at most")
    with_sensitive = queries.flag(call.query, "with_sensitive")
    may_deploy = scopes.covers(call.caller.scope, scopes.DEPLOY)
    if with_sensitive and not may_deploy:
        raise Forbidden(
            f"token {call.caller.name!r} has the scope {call.caller.scope}; "
            f"outputs of sensitive steps need {scopes.DEPLOY}",
            hint="without `with_sensitive` you get the rest",
        )
    return Redaction(
        everything=queries.flag(call.query, "redact"),
        keys=frozenset(keys),
        sensitive=not with_sensitive,
        chance=not may_deploy,
    )


async def _pieces(
    store: Store, key: int, writer: Writer, *, head: str, events: list[Received]
) -> AsyncIterator[str]:
    yield head
    received: set[int] = set()
    seq = 0
    while records := await store.journal(key, after=seq, limit=RECORDS):
        lines = []
        for record in records:
            fact = facts.decode(record.body)
            if isinstance(fact, Received):
                received.add(fact.event)
            lines.append(writer.fact(record.seq, fact))
        yield "".join(lines)
        seq = records[-1].seq
    yield writer.end(event for event in events if event.event not in received)


def _subject(one: Instance, class_name: str) -> Subject:
    failure = None if one.failure is None else msgspec.msgpack.decode(one.failure, type=Failure)
    return Subject(
        workflow=one.workflow,
        class_name=class_name,
        id=one.id,
        key=one.key,
        version=one.version,
        status=one.status,
        trigger=one.trigger,
        created_at=one.created_at,
        started_at=one.started_at,
        ended_at=one.ended_at,
        seed=one.seed,
        tags=one.tags,
        params=one.params,
        output=one.output,
        failure=failure,
        shown=one.shown,
    )


_BEYOND: Final = 2**62
"""A seq that no journal comes to."""

routes = [
    Route("GET", "/accounts/{account}/workflows/{workflow}/instances/{id}/history", scopes.READ, get),
]

"""`/workflows/{name}/instances/{id}/step`: one step, or one attempt of it, with all that it gave."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response, StreamingResponse

from wflow.bindings import journal
from wflow.engine import values
from wflow.engine.outcome import NOT_YET
from wflow.engine.stream import Reference
from wflow.errors import InstanceNotFound, InvalidInput
from wflow.server import addressed, queries
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import READ
from wflow.stores import pieces
from wflow.wire.shown import Shown, failure, is_sensitive, is_tried, kind, output, payload

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from wflow.engine.outcome import Failure
    from wflow.engine.timeline import StepShown

JSON: Final = "application/json"
BYTES: Final = "application/octet-stream"
TYPES: Final = ("step", "sleep", "waitForEvent", "rollback")
"""What a step may be called; the first and the third are Cloudflare's."""


class StepNotFound(InstanceNotFound):
    """The instance has no such step, or the step no such attempt."""

    code = 19002


async def get(call: Call) -> Answer | Response:
    """Get a step by the `name` that lists of steps show; nothing of its output is cut.

    A stream is answered by its bytes, unless the request wants JSON and nothing else.
    """
    name = queries.text(call.query, "name")
    if name is None:
        raise InvalidInput("`name` is missing: the step's, with the number of its visit, such as charge-1")
    type_ = queries.choice(call.query, "type", TYPES)
    attempt = queries.number(call.query, "attempt", at_least=1)
    instance = await addressed.instance(call)
    found = await journal.step(call.host.store, instance.key, name)
    if found is None or type_ not in {None, kind(found)}:
        what = "step" if type_ in {None, "step"} else type_
        raise StepNotFound(
            f"instance {instance.id!r} has no {what} {name[:80]!r}",
            hint="a step's name ends with the number of its visit: charge-1, charge-2",
        )
    told = _state(found) if attempt is None else _attempt(found, attempt)
    if (stream := _stream(found)) is not None and told["status"] == "complete":
        if call.request.headers.get("accept", "*/*") != JSON:
            return await _raw(call, instance.key, stream)
        told["stream"] = {"size": stream.size, "digest": stream.digest}
    if found.kind == "waitForEvent":
        told["event_type"] = found.config.get("type")
    return Answer(result=told)


def _state(step: StepShown) -> Shown:
    if step.success is None:
        # One that failed and is tried again is running, with its last error.
        errors = [each.error for each in step.attempts if each.error not in (None, NOT_YET)]
        last = errors[-1] if errors else None
        return _told("running" if is_tried(step) else "waiting", last)
    return _told("complete", None, _output(step)) if step.success else _told("errored", step.error)


def _attempt(step: StepShown, number: int) -> Shown:
    attempt = next((each for each in step.attempts if each.number == number), None)
    if attempt is None:
        raise StepNotFound(f"step {step.key!r} has no attempt {number}; it has {step.tried}")
    if attempt.success is None:
        return _told("running", None)
    if attempt.error == NOT_YET:
        return _told("complete", None)
    return _told("complete", None, _output(step)) if attempt.success else _told("errored", attempt.error)


def _output(step: StepShown) -> object:
    """Show the output; of a wait that is the event's payload."""
    return output(step) if step.event is None else payload(step.event)


def _stream(step: StepShown) -> Reference | None:
    """Find the stream that the step gave, if it did and may show it."""
    if step.output is None or is_sensitive(step.config):
        return None
    given = values.decode(step.output)
    return given if isinstance(given, Reference) else None


async def _raw(call: Call, instance: int, stream: Reference) -> Response:
    """Answer with the bytes of a stream; its first piece is read before, so that it can still be an error."""
    # Whose stream it is, is not for the journal to say: that is written in the process of user code.
    read = pieces.read(call.host.store, instance, stream, now=call.host.now())
    first = await anext(read, b"")

    async def body() -> AsyncIterator[bytes]:
        yield first
        async for piece in read:
            yield piece

    return StreamingResponse(body(), media_type=BYTES, headers={"content-length": str(stream.size)})


def _told(status: str, error: Failure | None, given: object = None) -> Shown:
    shown = None if error is None else failure(error, traced=True)
    return {"status": status, "error": shown, "output": given}


routes = [
    Route("GET", "/accounts/{account}/workflows/{workflow}/instances/{id}/step", READ, get),
]

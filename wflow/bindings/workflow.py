"""A workflow: create instances of it, find one, ask its status, send it an event, end it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from wflow.engine import names, values
from wflow.engine.outcome import Failure
from wflow.errors import InstanceExists, InstanceNotFound, InvalidInput
from wflow.wire.types import Wanted
from wflow.wire.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bindings.binding import Send
    from wflow.bindings.control import Control
    from wflow.stores.store import Instance


class WorkflowBinding:
    """``env.MY_WORKFLOW``. What its methods raise is a `Refused`: InstanceExists, InstanceNotFound, ..."""

    def __init__(self, send: Send) -> None:
        """Call the provider by ``send``."""
        self._send = send

    async def create(
        self,
        options: Mapping[str, object] | None = None,
        *,
        id: str | None = None,
        params: object = None,
    ) -> WorkflowInstance:
        """Create an instance, durably: it is on disk when this returns, and runs as soon as there is a slot.

        Takes ``id=`` and ``params=``, or Cloudflare's one mapping of both. Raises InstanceExists when the
        id is taken, InvalidInput for an id that breaks the rule, TooLarge for params and TooMany for a
        queue beyond their limits.
        """
        if options is not None and not (id is None and params is None):
            raise InvalidInput("create takes one mapping, or id= and params=, not both")
        wanted = _wanted(options if options is not None else _given(id, params))
        (made,) = await self._make([wanted])
        if not made["created"]:
            raise InstanceExists(f"instance.already_exists: {made['id']!r} exists already")
        return WorkflowInstance(self._send, made["id"])

    async def create_batch(self, options: Sequence[Mapping[str, object]]) -> list[WorkflowInstance]:
        """Create at most 100 instances together; ids that exist already are left out of the answer."""
        made = await self._make([_wanted(one) for one in options])
        return [WorkflowInstance(self._send, one["id"]) for one in made if one["created"]]

    async def get(self, id: str) -> WorkflowInstance:
        """Get an instance; raises InstanceNotFound."""
        await self._send("get", [id])
        return WorkflowInstance(self._send, id)

    async def _make(self, wanted: list[dict[str, object]]) -> list[dict[str, Any]]:
        made: Any = await self._send("create", [wanted])
        return list(made)


class WorkflowInstance:
    """One instance, by its ``id``."""

    def __init__(self, send: Send, id: str) -> None:
        """Refer to it; nothing is asked yet."""
        self._send = send
        self.id = id

    async def status(self) -> View:
        """Tell ``status``, and ``output`` or ``error`` (``name``, ``message``) when it is over."""
        found: Any = await self._send("get", [self.id])
        return View({**found, "error": View(found["error"]) if found["error"] else None})

    async def send_event(self, type: str | Mapping[str, object], payload: object = None) -> None:
        """Send an event; it is kept until the instance waits for one of its type. Raises InstanceEnded.

        Takes the type and the payload, or Cloudflare's one mapping of both.
        """
        if isinstance(type, Mapping):
            if unknown := set(type) - {"type", "payload"}:
                given = min(map(str, unknown))
                raise InvalidInput(f"send_event has no option {given!r}; it takes type and payload")
            await self._send("send_event", [self.id, type.get("type"), type.get("payload", payload)])
        else:
            await self._send("send_event", [self.id, type, payload])

    async def terminate(self) -> None:
        """End it now. Raises InstanceEnded when it is over."""
        await self._send("terminate", [self.id])

    def __repr__(self) -> str:
        """Show the id."""
        return f"<WorkflowInstance {self.id}>"


stub = WorkflowBinding


async def serve(control: Control, target: str, method: str, arguments: list[Any]) -> object:
    """Answer a call for the workflow ``target``."""
    match method, arguments:
        case "create", [list() as wanted]:
            return await _create(control, target, wanted)
        case "get", [id_]:
            return shown(await control.get(target, _id(id_)))
        case "send_event", [id_, type_, payload]:
            await control.send_event(target, _id(id_), names.event_type(type_), values.encode(payload))
            return None
        case "terminate", [id_]:
            await control.steer(target, _id(id_), "terminate")
            return None
    raise InvalidInput(f"a workflow has no method {method!r} with {len(arguments)} arguments")


def shown(instance: Instance) -> dict[str, object]:
    """Show an instance's status as Cloudflare's `InstanceStatus`."""
    failure = None
    if instance.failure is not None:
        kept = msgspec.msgpack.decode(instance.failure, type=Failure)
        failure = {"name": kept.name, "message": kept.message}
    output = None if instance.output is None else values.decode(instance.output)
    return {"status": instance.status, "error": failure, "output": output, "rollback": None}


async def _create(control: Control, workflow: str, wanted: list[Any]) -> object:
    if not 1 <= len(wanted) <= names.BATCH:
        raise InvalidInput(f"a batch has 1 to {names.BATCH} instances, not {len(wanted)}")
    # Everything is looked at before anything is made: a malformed option creates nothing.
    instances = [Wanted(id=one["id"], params=values.encode(one["params"])) for one in wanted]
    made = await control.create(workflow, instances, trigger="binding")
    return [{"id": one.id, "created": one.created} for one in made]


def _given(id_: str | None, params: object) -> dict[str, object]:
    given: dict[str, object] = {}
    if id_ is not None:
        given["id"] = id_
    if params is not None:
        given["params"] = params
    return given


def _wanted(options: object) -> dict[str, object]:
    if not isinstance(options, Mapping):
        raise InvalidInput(f"create takes a mapping with id and params, not {type(options).__name__}")
    if unknown := set(options) - {"id", "params"}:
        raise InvalidInput(f"create has no option {min(map(str, unknown))!r}; it takes id and params")
    return {"id": options.get("id"), "params": options.get("params", {})}


def _id(given: object) -> str:
    try:
        return names.instance_id(given)
    except InvalidInput as wrong:
        raise InstanceNotFound(f"instance.not_found: {wrong.message}") from None

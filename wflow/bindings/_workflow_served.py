"""What the runner does for a workflow's binding; `wflow.bindings.workflow` is what user code sees of it."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.bindings import _workflow_read as read
from wflow.bindings import subscription
from wflow.bindings.binding import Raised
from wflow.engine import names, status, values
from wflow.engine.outcome import Failure
from wflow.engine.requests import CHILD
from wflow.errors import InstanceExists, InstanceNotFound, InstanceTerminated, InvalidInput
from wflow.wire.types import Parent, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bindings.binding import Called
    from wflow.bindings.control import Control
    from wflow.bindings.effects import Held
    from wflow.stores.store import Instance

POLL_MS: Final = 10_000
"""How long one call waits for an instance's end; then the stub calls again."""
BREATH_S: Final = 0.02
"""While the store is busy the instance is looked at so often, not after each commit."""
STOPPING_S: Final = 1.0
"""How long a call waits when the runner stops: its runtime is about to end."""
TWICE: Final = 10415
"""Cloudflare's number for an id that a batch has twice."""


async def serve(control: Control, target: str, call: Called) -> object:
    """Answer a call for the workflow ``target``.

    What a step creates is there with its outcome, or once the step asks about it.
    """
    held = control.effects(call)
    if held is not None and not call.method.startswith("create"):
        await _publish(held, target, call.arguments)
    match call.method, call.arguments:
        case "create", [given]:
            return await _create(control, target, read.wanted(given), held)
        case "create_batch", [given]:
            return await _create_batch(control, target, given, held)
        case "call", [params, id_, awaited, bool() as follows]:
            wanted = Wanted(params=values.encode(params), parent=_parent(call, awaited, follows=follows))
            return await _call(control, target, id_, wanted)
        case "get", [id_]:
            return (await control.get(target, read.id_of(id_))).id
        case "list", [given]:
            return await read.page(control.store, target, given)
        case "status", [id_, bool() as steps]:
            return await read.status_of(
                control.store, await control.get(target, read.id_of(id_)), steps=steps
            )
        case "send_event", [id_, type_, payload]:
            type_ = names.event_type(type_)
            await control.send_event(target, read.id_of(id_), type_, values.encode(payload))
            return None
        case ("pause" | "resume" | "terminate" | "rollBack" | "cancel") as verb, [id_]:
            return (await control.steer(target, read.id_of(id_), verb)).status
        case "restart", [id_, start]:
            return (await control.restart(target, read.id_of(id_), read.start(start))).status
        case "delete", [id_]:
            await _delete(control, target, read.id_of(id_))
            return None
        case "delete_batch", [given]:
            return await _delete_batch(control, target, given)
        case "result", [id_, (None | int()) as patience_ms]:
            return await _result(control, target, read.id_of(id_), patience_ms, own=call.instance)
    if call.method in subscription.METHODS:
        return await subscription.serve(control, target, call)
    raise InvalidInput(f"a workflow has no method {call.method!r} with {len(call.arguments)} arguments")


async def _publish(held: Held, workflow: str, arguments: Sequence[object]) -> None:
    """Create now what is asked about: most methods begin with an id, or with a list of these."""
    asked = arguments[0] if arguments else None
    for id_ in asked if isinstance(asked, list) else [asked]:
        if isinstance(id_, str):
            await held.publish(workflow, id_)


async def _create(control: Control, workflow: str, wanted: Wanted, held: Held | None) -> object:
    (made,) = await control.create(workflow, [wanted], trigger="binding", held=held)
    return {"id": made.id, "created": made.created}


async def _create_batch(control: Control, workflow: str, given: object, held: Held | None) -> object:
    """Create what is not there yet; tell of each its id, and why it was not created."""
    wanted = read.batch(given)
    told: list[dict[str, object]] = [{"id": one.id, "code": None, "message": None} for one in wanted]
    firsts: dict[object, int] = {}
    for index, one in enumerate(wanted):
        first = firsts.setdefault(index if one.id is None else one.id, index)
        if first != index:
            told[index] |= {"code": TWICE, "message": f"the batch has the id {one.id!r} twice"}
    asked = [wanted[index] for index in firsts.values()]
    made = await control.create(workflow, asked, trigger="binding", held=held)
    for index, result in zip(firsts.values(), made, strict=True):
        told[index]["id"] = result.id
        if not result.created:
            told[index] |= {"code": InstanceExists.code, "message": _exists(result.id).message}
    return told


def _exists(id_: str) -> InstanceExists:
    return InstanceExists(f"instance.already_exists: {id_!r} exists already")


def _parent(call: Called, awaited: object, *, follows: bool) -> Parent:
    if call.instance is None:
        raise InvalidInput("only the code of an instance can call a workflow and await its end")
    if not isinstance(awaited, str) or not awaited.startswith(CHILD):
        raise InvalidInput(f"a child's end cannot be awaited as {names.shown(awaited)}")
    return Parent(key=call.instance, awaited=awaited, follows=follows)


async def _call(control: Control, workflow: str, id_: object, wanted: Wanted) -> object:
    """Create a child, or find it created: whoever asks again means the same one."""
    child = msgspec.structs.replace(wanted, id=names.instance_id(id_))
    (made,) = await control.create(workflow, [child], trigger="binding")
    if not made.created:
        there = await control.get(workflow, made.id)
        assert wanted.parent is not None
        if (there.parent, there.awaited) != (wanted.parent.key, wanted.parent.awaited):
            raise _exists(made.id)
    return {"id": made.id, "created": made.created}


async def _delete(control: Control, workflow: str, id_: str) -> None:
    if not await control.delete(workflow, [id_]):
        raise _not_found(workflow, id_)


async def _delete_batch(control: Control, workflow: str, given: object) -> object:
    """Delete instances, each once; tell of each as often as it was named."""
    ids = read.ids(given)
    gone = await control.delete(workflow, ids)
    missing = [(id_, _not_found(workflow, id_)) for id_ in ids if id_ not in gone]
    return {
        "deleted": [{"id": id_} for id_ in ids if id_ in gone],
        "errors": [{"id": id_, "code": wrong.code, "message": wrong.message} for id_, wrong in missing],
    }


def _not_found(workflow: str, id_: str) -> InstanceNotFound:
    return InstanceNotFound(f"instance.not_found: workflow {workflow!r} has no instance {id_!r}")


async def _result(
    control: Control, workflow: str, id_: str, patience_ms: int | None, *, own: int | None
) -> object:
    """Wait for an instance's end, for POLL_MS at the most; tell how long it was waited for in vain."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    deadline = began + (POLL_MS if patience_ms is None else min(patience_ms, POLL_MS)) / 1000
    after = 0
    while True:
        instance = await control.get(workflow, id_)
        if instance.status in status.ENDED:
            return {"over": True, "output": _output(instance)}
        if instance.key == own:
            raise InvalidInput("an instance cannot wait for its own result")
        if loop.time() >= deadline:
            return {"over": False, "waited_ms": math.ceil((loop.time() - began) * 1000)}
        changed = await _changed(control, after, deadline)
        if changed is None:
            await asyncio.sleep(STOPPING_S)
            return {"over": False, "waited_ms": math.ceil((loop.time() - began) * 1000)}
        after = changed
        await asyncio.sleep(BREATH_S)


async def _changed(control: Control, after: int, deadline: float) -> int | None:
    """Wait for records beyond the position ``after``, but not beyond the ``deadline`` of the loop's clock."""
    try:
        async with asyncio.timeout_at(deadline):
            return await control.changed(after)
    except TimeoutError:
        return after


def _output(instance: Instance) -> object:
    """Give what an instance that is over gave, or raise what it raised."""
    if instance.status == status.COMPLETE:
        return None if instance.output is None else values.decode(instance.output)
    if instance.status == status.TERMINATED or instance.failure is None:
        raise InstanceTerminated(f"instance {instance.id!r} was terminated, and has no result")
    failure = msgspec.msgpack.decode(instance.failure, type=Failure)
    said = "".join(f"{note}\n" for note in failure.notes)
    raise Raised(
        msgspec.structs.replace(
            failure,
            notes=[*failure.notes, f"raised by instance {instance.id!r} of workflow {instance.workflow!r}"],
            trace=failure.trace.removesuffix(said),  # else it would tell the other notes twice
            retryable=False,
        )
    )

"""A call of a binding by user code, answered by the binding's provider."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from wflow import bindings, catalogue
from wflow.bindings.binding import Called, Raised
from wflow.bundle.declared import declared
from wflow.engine import values
from wflow.errors import InvalidInput, WflowError
from wflow.link import frames
from wflow.runner import translate
from wflow.runner.streams import STEP_CHARS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from wflow.bindings.control import Control
    from wflow.runner.peer import Peer


async def answer(
    control: Control, peer: Peer, call: frames.Call, tell: Callable[[str, str], None]
) -> frames.Reply:
    """Have a call served; whatever goes wrong, user code hears of it. ``tell`` logs what is our own fault."""
    try:
        value = await _served(control, peer, call)
        return frames.Reply(call.call, values.encode(value, limit=frames.FRAME_BYTES // 4))
    except WflowError as refused:
        failure = translate.shown(refused)
    except Raised as raised:
        failure = raised.failure
    except Exception as broken:  # noqa: BLE001 - whatever it is, user code hears of it and the runner goes on
        tell("error", f"{call.binding}.{call.method} failed: {broken!r}")
        failure = translate.shown(WflowError("internal error; see the log"))
    return frames.Reply(call.call, values.NONE, failure)


async def _served(control: Control, peer: Peer, call: frames.Call) -> object:
    if not call.binding:
        return await peer.streams.serve(control, _called(peer, call))
    assert peer.build is not None
    found = next((one for one in declared(peer.build.manifest) if one.name == call.binding), None)
    module = None if found is None else _provider(found.kind)
    if found is None or module is None:
        raise InvalidInput(f"this version has no binding {call.binding!r}")
    return await module.serve(control, found.target, _called(peer, call))


def asks_a_worker(peer: Peer, call: frames.Call) -> bool:
    """Tell whether a call is one of a service; how much these may take is `wflow.runner.services`' to say."""
    return peer.build is not None and any(
        entry.binding == call.binding for entry in peer.build.manifest.services
    )


@functools.cache
def _provider(kind: str) -> ModuleType | None:
    """Find what serves a kind of binding; a manifest that was taken in has only kinds that there are."""
    return catalogue.find(bindings, kind)


def _called(peer: Peer, call: frames.Call) -> Called:
    """Read a call. User code shares its process with the link: it speaks for no instance but its own."""
    arguments = values.decode(call.args)
    if not isinstance(arguments, list):
        raise InvalidInput(f"{call.binding}.{call.method} was called with no list of arguments")
    if len(call.step) > STEP_CHARS or len(call.key) > STEP_CHARS:
        raise InvalidInput("no step has a name as long as that")
    if call.instance not in peer.holds:
        if call.instance and call.step:
            # What a step does is kept with its outcome, which this one will never have.
            raise InvalidInput("only the code of an instance can call in its steps, under a claim that lives")
        return Called(method=call.method, arguments=arguments)
    return Called(
        method=call.method,
        arguments=arguments,
        instance=call.instance,
        step=call.step,
        attempt=call.attempt,
        key=call.key,
        epoch=peer.holds[call.instance].epoch,
    )

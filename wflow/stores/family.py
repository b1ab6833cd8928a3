"""What a parent hears of its child's end; the same in every store."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine import status, values
from wflow.engine.outcome import Err, Failure, Ok
from wflow.engine.requests import CHILD

if TYPE_CHECKING:
    from collections.abc import Iterable

TERMINATED: Final = Failure(
    name="InstanceTerminated",
    message="The child instance was terminated",
    path="wflow.errors:InstanceTerminated",
    retryable=False,
)
DELETED: Final = Failure(
    name="InstanceTerminated",
    message="The child instance was deleted",
    path="wflow.errors:InstanceTerminated",
    retryable=False,
)
ERRORED: Final = Failure(name="InstanceErrored", message="The child instance failed")


def heard(ended: str, output: bytes | None = None, failure: Failure | None = None) -> bytes:
    """Give the payload that tells how a child ended: an encoded Outcome, as a value."""
    if ended == status.COMPLETE:
        return _payload(Ok() if output is None else Ok(output))
    if ended == status.TERMINATED:
        return _payload(Err(TERMINATED if failure is None else failure))
    return _payload(Err(ERRORED if failure is None else failure))


def deleted() -> bytes:
    """Give the payload that tells of a child that was deleted before it ended."""
    return _payload(Err(DELETED))


def mentioned(types: Iterable[str], bodies: Iterable[bytes]) -> set[str]:
    """Choose those ``types`` of children's ends that the encoded facts of a journal speak of.

    The step that has created a child keeps the type with the child's id, as what it gave.
    """
    wanted = {type_.encode(): type_ for type_ in types if type_.startswith(CHILD)}
    sizes = {len(raw) for raw in wanted}
    found: set[str] = set()
    for body in bodies:
        at = body.find(_CHILD)
        while at >= 0:
            found |= {wanted[raw] for size in sizes if (raw := body[at : at + size]) in wanted}
            at = body.find(_CHILD, at + 1)
    return found


_CHILD: Final = CHILD.encode()


def _payload(outcome: Ok | Err) -> bytes:
    # Its size was limited when the child was given it; here nothing may be refused any more.
    return values.encode(msgspec.msgpack.encode(outcome), limit=sys.maxsize)

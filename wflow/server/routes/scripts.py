"""`/workers/scripts`: take bundles in, and show what was deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from wflow.bundle.limits import PACKED_BYTES
from wflow.engine.names import MIB
from wflow.errors import InvalidInput
from wflow.server import bodies, shown
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY, READ

if TYPE_CHECKING:
    from collections.abc import Mapping

FORM_BYTES: Final = PACKED_BYTES + 1 * MIB
"""The bundle with its metadata and what a form writes around them."""
MESSAGE_CHARS: Final = 1_000


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    """What comes with a bundle; ``digest`` is the one that the sender computed."""

    digest: str
    message: str = ""


async def find(call: Call) -> Answer:
    """List the Workers, each with its current version."""
    return Answer(
        result=[{**shown.version(one), "id": one.worker, "version_id": one.id} for one in call.host.workers()]
    )


async def deploy(call: Call) -> Answer:
    """Make a bundle the Worker's current version."""
    form = await bodies.form(call.request, limit=FORM_BYTES)
    metadata = _metadata(form)
    version = await call.host.deploy(
        call.part("script"),
        form["bundle"],
        digest=metadata.digest,
        message=metadata.message,
        author=call.caller.name,
    )
    return Answer(result=shown.version(version))


async def find_versions(call: Call) -> Answer:
    """List a Worker's versions, newest first."""
    return Answer(result=[shown.version(one) for one in await call.host.versions(call.part("script"))])


def _metadata(form: Mapping[str, bytes]) -> Metadata:
    if set(form) != {"metadata", "bundle"}:
        raise InvalidInput("the form must have the parts `metadata` and `bundle`, and no others")
    try:
        metadata = msgspec.json.decode(form["metadata"], type=Metadata)
    except (msgspec.DecodeError, RecursionError) as wrong:
        raise InvalidInput(f"the part `metadata`: {wrong}") from None
    if len(metadata.message) > MESSAGE_CHARS:
        raise InvalidInput(f"`message` is longer than {MESSAGE_CHARS:,} characters")
    return metadata


routes = [
    Route("GET", "/accounts/{account}/workers/scripts", READ, find),
    Route("PUT", "/accounts/{account}/workers/scripts/{script}", DEPLOY, deploy),
    Route("GET", "/accounts/{account}/workers/scripts/{script}/versions", READ, find_versions),
]

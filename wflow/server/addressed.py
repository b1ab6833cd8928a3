"""The instance that a request's path names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.errors import InstanceNotFound

if TYPE_CHECKING:
    from wflow.server.route import Call
    from wflow.stores.store import Instance

LATEST: Final = "latest"
"""Stands for the id of the newest instance, unless one is really called so."""


async def instance(call: Call) -> Instance:
    """Get it; raises WorkflowNotFound or InstanceNotFound."""
    workflow, id_ = call.part("workflow"), call.part("id")
    try:
        return await call.host.get(workflow, id_)
    except InstanceNotFound:
        newest = await call.host.store.find(workflow, limit=1) if id_ == LATEST else []
        if not newest:
            raise
        return newest[0]

"""How an instance's `run` begins: an object of the user's class is made, and gets its event and its steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.runtime import event
from wflow.runtime.annotations import payload_of
from wflow.runtime.fitting import fitting

if TYPE_CHECKING:
    from wflow.link import frames
    from wflow.runtime.context import Context
    from wflow.runtime.env import Env


async def run(cls: type, env: Env, context: Context, spec: frames.Turn) -> object:
    """Run the user's `run`; the object is made here, so that what its __init__ raises is the instance's."""
    opening = event.opening(spec, payload_of(getattr(cls, "run", None)))
    del spec  # it has the whole journal, which nobody needs any more
    wanted = cls(context, env).run
    return await wanted(*fitting(wanted, opening, context))

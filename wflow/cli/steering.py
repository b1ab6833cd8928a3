"""The commands that tell one instance what to do: they have one shape, and differ by a verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wflow.cli import output, remote
from wflow.cli.flags import Instance, Json, Local, LocalPort, Workflow
from wflow.engine import status

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def steer(verb: str, done: str) -> Callable[..., None]:
    """Make the command for ``verb``; ``done`` is how the sentence ends that says it worked."""

    def command(
        name: Workflow, id: Instance, *, local: Local = False, port: LocalPort = None, json: Json = False
    ) -> None:
        with remote.connect(local=local, port=port) as api:
            after = api.instances.steer(name, id, verb)
        tell(name, id, after, done, json=json)

    return command


def tell(name: str, id_: str, after: Mapping[str, Any], done: str, *, json: bool) -> None:
    """Say what became of an instance: the API's answer, or a sentence."""
    if json:
        output.payload(after)
        return
    told = f'The instance "{after.get("instanceId", id_)}" from {name}'
    if (now := after["status"]) in _UNTOUCHED.get(done, ()):
        output.data(f"{told} is {now}; nothing was changed")
        return
    output.data(f"{told} was {done}")
    if done == PAUSED and now == status.PAUSING:
        output.say("It is paused as soon as the steps that run are over.")


PAUSED = "paused successfully"
RESUMED = "resumed successfully"
_UNTOUCHED = {
    PAUSED: {*status.ENDED, status.ROLLING_BACK},
    RESUMED: {*status.ENDED, status.ROLLING_BACK, status.WAITING},
}
"""Where pausing and resuming do not apply, and are no error."""

"""Records the histories that are missing for this release, of the project beside it; never writes over one.

python -m tests.histories.make
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.stories.processes import Process, World, wait_for
from wflow import __version__, stores
from wflow.stores.settings import HASH_SEED, SETTINGS
from wflow.stores.store import Cell

if TYPE_CHECKING:
    from wflow.client.api import Api

HERE = Path(__file__).parent
SEED = 20_261_122
ENDED = ("complete", "errored", "terminated")
Script = Callable[["Api", Process], None]


def main() -> None:
    missing = [name for name in SCENARIOS if not file_of(name).exists()]
    if not missing:
        sys.stdout.write("nothing is missing\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        shutil.copytree(
            HERE / "project", world.project, ignore=shutil.ignore_patterns("__pycache__", ".wflow")
        )
        asyncio.run(_fix_the_hashes(world.state))
        with world.dev() as session, session.api() as api:
            for name in missing:
                workflow, params, script, status = SCENARIOS[name]
                api.instances.create(workflow, params, id_=name)
                script(api, session)
                until(api, workflow, name, status)
                with api.histories.export(workflow, name, with_sensitive=True) as pieces:
                    # Tracebacks tell where the code lay, which was nowhere in particular.
                    whole = b"".join(pieces).replace(str(world.folder).encode(), b"/home/somebody")
                    whole = whole.replace(sys.base_prefix.encode(), b"/usr")
                    file_of(name).write_bytes(whole)
                sys.stdout.write(f"{file_of(name).name}\n")


def file_of(name: str) -> Path:
    return HERE / f"{__version__}-{name}.json"


async def _fix_the_hashes(state: Path) -> None:
    """Have all histories of one seed, so that one process can replay them."""
    store = await stores.connect(f"sqlite://{state}")
    await store.write([Cell(space=SETTINGS, key=HASH_SEED, value=str(SEED).encode())])
    await store.close()


def until(api: Api, workflow: str, id_: str, status: str) -> None:
    """Wait until an instance has a status."""

    def there() -> bool:
        found = api.instances.get(workflow, id_, simple=True)["status"]
        assert found == status or found not in ENDED, f"{id_} is {found}"
        return bool(found == status)

    wait_for(there, f"{id_} to be {status}")


def nothing(api: Api, session: Process) -> None:
    """Let it come to its end by itself."""


def send_events(api: Api, session: Process) -> None:
    for type_, payload in (("early", {"n": 1}), ("later", 2), ("unheard", None)):
        api.instances.send_event("events", "events", type_, payload)
    until(api, "events", "events", "waiting")
    api.instances.send_event("events", "events", "later", [3])


def send_order(api: Api, session: Process) -> None:
    api.instances.send_event("typed", "typed", "order", [1, 2, 3])


def cancel(api: Api, session: Process) -> None:
    until(api, "cancelling", "cancelling", "waiting")
    api.instances.steer("cancelling", "cancelling", "cancel")


def terminate(api: Api, session: Process) -> None:
    until(api, "resting", "terminated", "waiting")
    api.instances.steer("resting", "terminated", "terminate")


def roll_back(api: Api, session: Process) -> None:
    until(api, "undoing", "rolled-back", "waiting")
    api.instances.steer("undoing", "rolled-back", "terminate", rollback=True)


def pause(api: Api, session: Process) -> None:
    until(api, "resting", "paused", "waiting")
    api.instances.steer("resting", "paused", "pause")


def resume(api: Api, session: Process) -> None:
    until(api, "resting", "resumed", "waiting")
    api.instances.steer("resting", "resumed", "pause")
    until(api, "resting", "resumed", "paused")
    api.instances.steer("resting", "resumed", "resume")


def restart(api: Api, session: Process) -> None:
    until(api, "looping", "restarted", "complete")
    api.instances.restart("looping", "restarted", name="add", count=12)


def go_on(api: Api, session: Process) -> None:
    """Have it go on from where it waits, as far as it can."""
    until(api, "resting", "going-on", "waiting")
    api.instances.send_event("resting", "going-on", "go", {"came": True})

    def received() -> bool:
        steps = api.instances.get("resting", "going-on")["steps"]
        return any(step["name"] == "go-1" and step["finished"] for step in steps)

    wait_for(received, "the event to be received")


SCENARIOS: dict[str, tuple[str, dict[str, Any], Script, str]] = {
    "steps": ("steps", {"numbers": [1, 2, 3]}, nothing, "complete"),
    "parallel": ("parallel", {}, nothing, "complete"),
    "races": ("races", {}, nothing, "complete"),
    "events": ("events", {}, send_events, "complete"),
    "children": ("children", {}, nothing, "complete"),
    "retries": ("retries", {}, nothing, "complete"),
    "mishaps": ("mishaps", {"gate": ".gate-1"}, nothing, "complete"),
    "failing": ("failing", {}, nothing, "errored"),
    "undoing": ("undoing", {}, nothing, "errored"),
    "undoing-badly": ("undoing-badly", {}, nothing, "errored"),
    "rolled-back": ("undoing", {"wait": True}, roll_back, "terminated"),
    "cancelling": ("cancelling", {}, cancel, "terminated"),
    "mapping": ("mapping", {}, nothing, "complete"),
    "polling": ("polling", {"gate": ".gate-2"}, nothing, "complete"),
    "patching": ("patching", {}, nothing, "complete"),
    "streaming": ("streaming", {}, nothing, "complete"),
    "typed": ("typed", {}, send_order, "complete"),
    "chance": ("chance", {}, nothing, "complete"),
    "telling": ("telling", {}, nothing, "complete"),
    "decorating": ("decorating", {}, nothing, "complete"),
    "unawaited": ("unawaited", {}, nothing, "complete"),
    "resting": ("resting", {}, nothing, "waiting"),
    "paused": ("resting", {}, pause, "paused"),
    "resumed": ("resting", {}, resume, "waiting"),
    "going-on": ("resting", {}, go_on, "waiting"),
    "terminated": ("resting", {}, terminate, "terminated"),
    "looping": ("looping", {}, nothing, "complete"),
    "restarted": ("looping", {}, restart, "complete"),
}
"""By the id of the instance: its workflow, its params, what happens to it, and the status to wait for."""

if __name__ == "__main__":
    main()

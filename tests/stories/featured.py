"""What the stories of single features share: a project, its session, and short ways to ask for things."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.stories.processes import SHOP, Process, World, lives, wait_for
from wflow.client.api import Api
from wflow.client.instances import NOTHING
from wflow.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Iterator


FEATURES = Path(__file__).parent / "features"
ENDED = {"complete", "errored", "terminated"}

Shown = dict[str, Any]


def open_project(folder: Path, name: str) -> World:
    """Lay out the project of a group of features, its witness in its config."""
    world = World(folder)
    shutil.copytree(FEATURES / name, world.project, ignore=shutil.ignore_patterns("__pycache__", ".wflow"))
    shutil.copy(SHOP / "src" / "effects.py", world.project)
    world.edit("wflow.toml", "/dev/null", str(world.witness))
    return world


@contextlib.contextmanager
def open_site(world: World) -> Iterator[Site]:
    """Have a session of a project, and speak to it."""
    with world.dev() as session, session.api() as api:
        yield Site(world, session, api)


@dataclass(slots=True)
class Site:
    """A project that runs; instances are named by their workflow and their id."""

    world: World
    session: Process
    api: Api

    def start(self, workflow: str, params: object = NOTHING, id_: str | None = None, **more: Any) -> str:
        """Create an instance; gives its id."""
        return str(self.api.instances.create(workflow, params, id_=id_, **more)["id"])

    def look(self, workflow: str, id_: str) -> Shown:
        """Get an instance with its steps."""
        return self.api.instances.get(workflow, id_)

    def status(self, workflow: str, id_: str) -> str | None:
        """Tell an instance's status; None when there is no such instance."""
        try:
            return str(self.api.instances.get(workflow, id_, simple=True)["status"])
        except RunnerError as no:
            if no.status == 404:
                return None
            raise

    def until(self, status: str, workflow: str, id_: str) -> Shown:
        """Wait until an instance has a status."""
        wait_for(lambda: self.status(workflow, id_) == status, f"{id_} to be {status}")
        return self.look(workflow, id_)

    def end(self, workflow: str, id_: str) -> Shown:
        """Wait until an instance is over."""
        wait_for(lambda: self.status(workflow, id_) in ENDED, f"the end of {id_}")
        return self.look(workflow, id_)

    def run(self, workflow: str, params: object = NOTHING, id_: str | None = None) -> Shown:
        """Have an instance from its creation to its end."""
        return self.end(workflow, self.start(workflow, params, id_))

    def output(self, workflow: str, params: object = NOTHING, id_: str | None = None) -> Any:
        """Run an instance that completes, and give its output."""
        over = self.run(workflow, params, id_)
        assert over["status"] == "complete", over["error"]
        return over["output"]

    def send(self, workflow: str, id_: str, type_: str, payload: object = None) -> None:
        """Send an event."""
        self.api.instances.send_event(workflow, id_, type_, payload)

    def steer(self, workflow: str, id_: str, verb: str, **more: Any) -> None:
        """Pause, resume, cancel or terminate."""
        self.api.instances.steer(workflow, id_, verb, **more)

    def events(self, workflow: str, id_: str, *types: str) -> list[Shown]:
        """Give the events of an instance that is over, or is yet to be."""
        return list(self.api.happenings.follow(workflow, id_, filter=types))

    def lose_runtimes(self) -> None:
        """Kill the processes that run the code: what is under way is replayed in others."""
        lost = self.session.runtimes()
        for pid in lost:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not any(map(lives, lost)), "the end of the runtimes")

    def effects(self, word: str) -> list[str]:
        """Give what was told to the witness with a word at its beginning, without that."""
        told = (line.partition(" ") for line in self.world.effects)
        return [rest for first, _, rest in told if first == word]


@dataclass(slots=True)
class Bound(Site):
    """A site whose Worker calls the binding for us."""

    def call(self, path: str, asked: object = None) -> Any:
        """Call a method, such as `ORDER/create`, or `ORDER/order-1/pause`; gives what it gave."""
        answer = self.session.ask("POST", f"/{path}", content=json.dumps(asked))
        assert answer.status_code == 200, answer.text
        return answer.json()

    def refusal(self, path: str, asked: object = None) -> Shown:
        """Call a method that raises; gives the error's name, code and message."""
        answer = self.session.ask("POST", f"/{path}", content=json.dumps(asked))
        assert answer.status_code == 409, answer.text
        return dict(answer.json()["error"])

    def order(self, id_: str, params: object = None) -> str:
        """Create an order, and wait until it waits for its payment; gives its path."""
        self.call("ORDER/create", {"id": id_, "params": params})
        self.until("waiting", "order", id_)
        return f"ORDER/{id_}"

    def paid(self, id_: str, payload: object = "cash") -> Shown:
        """Pay an order, and wait for its end."""
        self.call(f"ORDER/{id_}/send_event", {"type": "paid", "payload": payload})
        return self.end("order", id_)


def gate_of(world: World, name: str) -> str:
    """Name the file that a step waits for."""
    return str(world.folder / f"gate-{name}")


def open_gate(world: World, name: str) -> None:
    Path(gate_of(world, name)).touch()


def step(shown: Shown, name: str) -> Shown:
    """Find a step of an instance by its key, such as `charge-1`."""
    (found,) = (one for one in shown["steps"] if one["name"] == name)
    return dict(found)


def moment(shown: str) -> datetime:
    return datetime.fromisoformat(shown)


def lasts_ms(shown: Shown) -> int:
    """Tell how long a step took, or will take."""
    return round((moment(shown["end"]) - moment(shown["start"])).total_seconds() * 1000)

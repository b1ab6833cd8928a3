"""A project's code, loaded into this process to replay histories against it, and bound to nothing."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wflow.bundle.manifest import Manifest
from wflow.errors import NonDeterminismError, UsageError
from wflow.runtime import beginning, loader, workers
from wflow.runtime.context import Context
from wflow.runtime.env import Env, build
from wflow.runtime.loop import in_order
from wflow.runtime.output import Output
from wflow.runtime.recorded import turn_of
from wflow.runtime.rehearsal import Rehearsal, refuse
from wflow.wire.strict import HistoryError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from pathlib import Path

    from wflow.bundle.manifest import WorkflowEntry
    from wflow.engine.seen import News
    from wflow.runtime.turn import Turn
    from wflow.wire.history import History


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A project's classes, and the env that they get: its variables are there, its bindings do nothing."""

    manifest: Manifest
    classes: loader.Code
    env: Env

    def workflow(self, name: str) -> WorkflowEntry:
        """Find a workflow by its name; raises UsageError with those that there are."""
        for entry in self.manifest.workflows:
            if entry.name == name:
                return entry
        known = ", ".join(entry.name for entry in self.manifest.workflows) or "none"
        raise UsageError(
            f"this project has no workflow {name!r}",
            hint=f"there are: {known}; `--workflow NAME` says which one to replay against",
        )

    def rehearsal(
        self,
        history: History,
        *,
        workflow: str | None = None,
        watch: Callable[[News], None] | None = None,
        parted: Callable[[NonDeterminismError], None] | None = None,
    ) -> Rehearsal:
        """Set up the replay of a history, on the running loop, against its workflow or another one.

        Raises UsageError for a workflow that there is not, HistoryError for a journal that cannot be.
        """
        entry = self.workflow(workflow or history.subject.workflow)
        cls = self.classes.workflows[entry.name]
        spec = turn_of(history)
        output = Output(asyncio.get_running_loop(), lambda _line: None)

        def start(turn: Turn) -> Coroutine[Any, Any, object]:
            return beginning.run(cls, self.env, Context(turn.code, output), spec)

        try:
            return Rehearsal(spec, start, step_limit=entry.step_limit, watch=watch, parted=parted)
        except Exception as error:
            raise HistoryError("facts", f"they contradict each other: {error!r}") from error


def load(root: Path, manifest: Manifest, secrets: Mapping[str, str]) -> Loaded:
    """Import the project at ``root`` into this process, once; raises LoadError with the user's traceback."""
    asyncio.as_completed = asyncio.tasks.as_completed = in_order(asyncio.as_completed)
    env = workers.env = build(manifest, secrets, refuse)
    return Loaded(manifest=manifest, classes=loader.load(root, manifest), env=env)

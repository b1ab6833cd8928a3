"""Recorded histories, as tests: what an instance has done once must fit the code of today."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from wflow.engine import facts
from wflow.engine.outcome import Failure
from wflow.errors import UsageError
from wflow.runtime import site
from wflow.runtime.env import build
from wflow.runtime.rehearsal import refuse
from wflow.runtime.replay import Loaded
from wflow.testing.under_test import UnderTest, found
from wflow.testing.writes import seed_of
from wflow.wire import history as files
from wflow.wire.history import History, Subject

if TYPE_CHECKING:
    from wflow.engine.divergence import Verdict
    from wflow.engine.facts import Fact
    from wflow.stores.store import Instance
    from wflow.testing.world import World

PAGE = 1_000


class DoesNotReplay(AssertionError):
    """A history that the code at hand does not fit; the message says where the two part."""


def replay(file: str | Path, project: UnderTest | None = None, *, workflow: str | None = None) -> Verdict:
    """Play an exported history against the code at hand, and give the verdict.

    The ``project`` is the one that the file lies in, unless it is given; ``workflow`` names another workflow
    than that of the history. Nothing runs: steps give what is recorded. Raises HistoryError for a file that
    is none, UsageError for a workflow that the project does not have.
    """
    path = Path(file)
    history = files.read(path.read_bytes())
    code = loaded(project or found(path.absolute().parent))
    return _played(code, history, workflow)


def assert_replays(
    file: str | Path, project: UnderTest | None = None, *, workflow: str | None = None
) -> None:
    """Play an exported history as `replay` does; raises DoesNotReplay, with the first difference."""
    __tracebackhide__ = True
    verdict = replay(file, project, workflow=workflow)
    if verdict.failure is not None:
        raise DoesNotReplay(
            f"{file}: after {verdict.heard} of {verdict.recorded} outcomes:\n{verdict.failure.message}"
        )


def histories(folder: str | Path) -> list[Any]:
    """List the histories in a folder, ``*.json``, as parameters of a test, each with its name as id.

    ``@pytest.mark.parametrize("history", histories(Path(__file__).parent / "histories"))``. Raises UsageError
    for a folder that has none: a test without cases would pass for ever.
    """
    import pytest

    listed = sorted(Path(folder).glob("*.json"))
    if not listed:
        raise UsageError(
            f"there is no history in {folder}", hint="wflow workflows instances export WORKFLOW ID > one.json"
        )
    return [pytest.param(file, id=file.stem) for file in listed]


def loaded(under: UnderTest) -> Loaded:
    """Load what is under test, bound to nothing: in a replay no binding is called."""
    root, manifest = under.build.root, under.build.manifest
    site.seen_from(root)
    env = build(manifest, under.build.secrets, refuse)
    return Loaded(manifest=manifest, classes=under.classes(), env=env)


async def history_of(world: World, found: Instance) -> History:
    """Read an instance with its journal, as it would be exported."""
    journal: list[tuple[int, Fact]] = []
    while page := await world.store.journal(found.key, after=journal[-1][0] if journal else 0, limit=PAGE):
        journal += [(record.seq, facts.decode(record.body)) for record in page]
    failure = None if found.failure is None else msgspec.msgpack.decode(found.failure, type=Failure)
    return History(
        subject=Subject(
            workflow=found.workflow,
            id=found.id,
            key=found.key,
            status=found.status,
            created_at=found.created_at,
            params=found.params,
            started_at=found.started_at,
            ended_at=found.ended_at,
            seed=seed_of(found.workflow, found.id),
            output=found.output,
            failure=failure,
            shown=found.shown,
        ),
        hash_seed=0,
        facts=journal,
    )


def _played(code: Loaded, history: History, workflow: str | None) -> Verdict:
    def play() -> Verdict:
        rehearsal = code.rehearsal(history, workflow=workflow)
        try:
            return rehearsal.play()
        finally:
            rehearsal.close()

    async def soon() -> Verdict:
        return play()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        with asyncio.Runner() as runner:
            return runner.run(soon())
    return play()

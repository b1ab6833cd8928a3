"""Whether a workflow takes the same way each time: it is run once, and its journal played again."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine import divergence, status
from wflow.testing.elsewhen import elsewhen
from wflow.testing.recorded import history_of, loaded
from wflow.testing.running import alive
from wflow.testing.under_test import project

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from wflow.bindings.workflow import WorkflowBinding
    from wflow.engine.divergence import Verdict
    from wflow.runtime.replay import Loaded
    from wflow.testing.kit import Kit
    from wflow.wire.history import History

PREFIXES: Final = 200
"""Beginnings of a journal that are played; those of a longer one are chosen evenly."""
TIMES: Final = (
    timedelta(0),
    timedelta(hours=7, minutes=31),
    timedelta(days=3, hours=13),
    timedelta(days=401),
    timedelta(days=-401),
)
"""How far the clocks are from when the workflow ran."""


class NotDeterministic(AssertionError):
    """A workflow that parts from its own journal; the message has what it recorded and what it asks for."""


def assert_deterministic(
    workflow: type,
    payload: object = None,
    *,
    events: Iterable[tuple[str, object]] = (),
    kv: Sequence[str] = (),
    vars: Mapping[str, object] | None = None,
) -> Any:
    """Run an instance of a class, and play its journal against it again; give its output, None if it failed.

    ``events`` are (type, payload), there from the beginning; ``kv`` and ``vars`` are what its `env` has. In
    an async test, ``await wflow.assert_deterministic(...)`` does the same. Raises NotDeterministic with what
    is recorded and what the code asks for instead.
    """
    __tracebackhide__ = True
    name = workflow.__name__
    under = project({name: workflow}, kv=kv, vars=vars)
    with tempfile.TemporaryDirectory(prefix="wflow-") as folder, alive(under, Path(folder)) as kit:
        try:
            return kit.run(kit.assert_deterministic(name, payload, events=events))
        except NotDeterministic as parted:
            told = parted
    raise told.with_traceback(None)


async def check(
    kit: Kit, binding: WorkflowBinding | str, payload: object, events: Iterable[tuple[str, object]]
) -> Any:
    """Run an instance to its end, then play its journal; give its output, None if it failed.

    Every beginning of the journal is played as if the instance had been evicted there; all of it at other
    times too, with other chances. Raises NotDeterministic.
    """
    __tracebackhide__ = True
    name = kit.name_of(binding)
    one = kit.introspect_instance(binding, kit.new_id())
    for type_, sent in events:
        one.mock_event(type_, sent)
    await kit.env[name].create(id=one.id, params=payload)
    found = await one.end()
    history = await kit.ask(lambda world: history_of(world, found))
    code = loaded(kit.under)
    for part in _beginnings(history):
        _play(code, part, history, timedelta(0), seed=0)
    for number, offset in enumerate(TIMES):
        _play(code, history, history, offset, seed=number + 1)
    return await one.output() if found.status == status.COMPLETE else None


def _play(code: Loaded, part: History, whole: History, offset: timedelta, *, seed: int) -> None:
    __tracebackhide__ = True
    with elsewhen(offset, seed):
        rehearsal = code.rehearsal(part)
        try:
            verdict = rehearsal.play()
        finally:
            rehearsal.close()
    if verdict.failure is None:
        return
    many = f"{len(part.facts)} of {len(whole.facts)} facts"
    when = f", with the clocks moved by {offset}" if offset else ""
    raise NotDeterministic(
        f"workflow {whole.subject.workflow!r} does not take the same way twice; "
        f"replaying {many}{when}:\n{_told(verdict)}"
    )


def _told(verdict: Verdict) -> str:
    """Say where journal and code part; what to do about an instance that exists is of no use in a test."""
    assert verdict.failure is not None
    what = verdict.failure.message.partition("\n")[0]
    found = verdict.divergence
    return what if found is None else divergence.told(msgspec.structs.replace(found, ways=[]), what)


def _beginnings(history: History) -> Iterator[History]:
    size = len(history.facts)
    step = -(-size // PREFIXES) or 1
    for count in range(0, size, step):
        subject = msgspec.structs.replace(history.subject, status=status.RUNNING, output=None, failure=None)
        yield msgspec.structs.replace(history, subject=subject, facts=history.facts[:count])

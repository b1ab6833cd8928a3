"""What holds of what instances are sent and asked, of their families, and of how they are undone."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from wflow.engine import values
from wflow.engine.facts import Failed, Received, Settled, Tried
from wflow.engine.outcome import Err, Ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.life import Life
    from tests.simulation.store import Kept

PREFIX = "rollback:"


def events_are_kept(life: Life) -> Iterator[str]:
    """Each event that was taken in is in the journal once, or was in the inbox until the end."""
    numbers = Counter(kept.fact.event for kept in life.journal if isinstance(kept.fact, Received))
    yield from (f"event {number} is received {n} times" for number, n in numbers.items() if n > 1)
    there = Counter(kept.fact.type for kept in life.received.values())  # type: ignore[union-attr]
    there += Counter(event.type for event in life.instance.gone if event.event not in life.received)
    sent = Counter(life.world.record.events.get(life.key, ()))
    for type_, count in sent.items():
        if there[type_] != count:
            yield f"{count} events {type_!r} were sent, and {there[type_]} are known"


def events_are_seen_once(life: Life) -> Iterator[str]:
    """No two waits give the code one event."""
    seen = Counter(
        repr(sight.value)
        for sight in life.sights
        if sight.what.startswith("wait ") and sight.value[0] != "error"
    )
    yield from (f"{event} was seen {n} times" for event, n in seen.items() if n > 1)


def first_in_first_out(life: Life) -> Iterator[str]:
    """A wait takes the first event of its type that is there, and times out only when there is none."""
    waiting: dict[str, list[int]] = {}
    taken: set[int] = set()
    for kept in life.journal:
        fact = kept.fact
        if isinstance(fact, Received):
            waiting.setdefault(fact.type, []).append(fact.event)
        if not isinstance(fact, Settled) or fact.kind != "waitForEvent":
            continue
        type_ = str(life.details[fact.key]["type"])
        before = [event for event in waiting.get(type_, ()) if event not in taken]
        if fact.event is not None and isinstance(fact.outcome, Err):
            yield f"{fact.key} timed out, and took event {fact.event} with it"
        if fact.event is not None:
            arrived = life.received.get(fact.event)
            if arrived is None or arrived.seq > kept.seq or arrived.fact.type != type_:  # type: ignore[union-attr]
                yield f"{fact.key} took event {fact.event}, which was not there"
                continue
            before = [event for event in before if event < fact.event]
            taken.add(fact.event)
        else:
            before = [event for event in before if _in_time(life, fact, event)]
        if len(before) > _others(life, kept, type_):
            yield f"{fact.key} took {fact.event} at {fact.at}, and {before} had come before"


def heard_in_time(life: Life) -> Iterator[str]:
    """Where nothing goes wrong, no wait times out that an event was sent to in time."""
    schedule = life.world.case.schedule
    if schedule.mishaps or life.pauses:
        return
    slow = 4 * max((*schedule.link, *schedule.store))
    for key, kept in life.settled.items():
        fact = kept.fact
        assert isinstance(fact, Settled)
        if fact.kind == "waitForEvent" and isinstance(fact.outcome, Err):
            late = [one.fact for one in life.received.values() if one.seq > kept.seq]
            types = [(event.type, event.sent_at) for event in (*late, *life.instance.gone)]  # type: ignore[union-attr]
            if any(type_ == life.details[key]["type"] and at + slow < fact.at for type_, at in types):
                yield f"{key} timed out at {fact.at}, and {types} were not heard"


def _in_time(life: Life, wait: Settled, event: int) -> bool:
    since = life.opened_at[wait.key]
    deadline = since + int(life.details[wait.key]["timeout"])
    return life.received[event].fact.sent_at <= deadline  # type: ignore[union-attr]


def _others(life: Life, kept: Kept, type_: str) -> int:
    """Count the waits that were asked for earlier and still wait: they go first."""
    assert isinstance(kept.fact, Settled)
    count = 0
    for key, order in life.orders.items():
        settled = life.settled.get(key)
        if (
            life.details[key].get("type") == type_
            and order < kept.fact.order
            and (settled is None or settled.seq > kept.seq)
        ):
            count += 1
    return count


def ended_for_a_reason(life: Life) -> Iterator[str]:
    """It is terminated when it was asked to, and complete only if nothing was undone."""
    asked = {kept.fact.type for kept in life.received.values()} & {".cancel", ".rollback"}  # type: ignore[union-attr]
    status = life.instance.status
    if status == "terminated" and not life.stopped and not asked:
        yield "it is terminated, and nobody asked for that"
    if life.rolling is not None and status == "complete":
        yield "it is complete, and was undone"
    if status == "complete" and ".rollback" in asked:
        request = next(one for one in life.received.values() if one.fact.type == ".rollback")  # type: ignore[union-attr]
        if any(isinstance(kept.fact, Settled) for kept in life.journal[request.seq :]):
            yield "it was told to roll back, and went on to its end"


def undone_in_order(life: Life) -> Iterator[str]:
    """What began and has a rollback is undone when it fails, the last first, until a rollback fails."""
    rolling = life.rolling
    until = len(life.journal) if rolling is None else rolling.seq
    began = {
        kept.fact.key for kept in life.journal[:until] if isinstance(kept.fact, (Tried, Failed, Settled))
    }
    due = [key for key in began if life.details.get(key, {}).get("rollback")]
    due.sort(key=life.orders.__getitem__, reverse=True)
    undone = [key.removeprefix(PREFIX) for key in life.settled if key.startswith(PREFIX)]
    if rolling is None:
        if undone:
            yield f"{undone} are undone, and nothing said so before"
        if due and not life.stopped and life.instance.status != "complete":
            yield f"it is {life.instance.status}, and {due} are not undone"
        return
    if undone != due[: len(undone)]:
        yield f"undone are {undone}, and it should be {due}"
    failed = [key for key in undone if isinstance(life.outcome(PREFIX + key), Err)]
    if failed not in ([], undone[-1:]):
        yield f"the rollbacks of {failed} failed, and it went on with {undone}"
    if not life.stopped and not failed and undone != due:
        yield f"only {undone} of {due} are undone"


def undone_by_turns(life: Life) -> Iterator[str]:
    """Nothing is undone before that is on disk; then nothing else is done; and it goes one by one."""
    rolling = life.rolling
    for call in life.calls:
        is_undoing = call.key.startswith(PREFIX)
        if is_undoing and (rolling is None or call.tick < rolling.tick):
            yield f"{call} undoes too early"
        if (
            not is_undoing
            and rolling is not None
            and call.tick > rolling.tick
            and call.epoch >= (rolling.epoch or 0)
        ):
            yield f"{call} begins while steps are undone"
    order = {key: n for n, key in enumerate(key for key in life.settled if key.startswith(PREFIX))}
    for call in life.calls:
        earlier = [key for key, n in order.items() if call.key in order and n < order[call.key]]
        late = [key for key in earlier if life.settled[key].tick > call.tick]
        if late:
            yield f"{call} begins before {late} are over"


def family_is_told(life: Life) -> Iterator[str]:
    """A child is created once by each call that says so, and its parent hears of its end what that was."""
    instances = life.world.store.instances
    children = [one for one in instances.values() if one.new.parent == life.key]
    awaited = Counter(one.new.awaited for one in children)
    yield from (f"{n} children are awaited as {type_}" for type_, n in awaited.items() if n > 1)
    made = [key for key in life.settled if key.startswith("call ") and isinstance(life.outcome(key), Ok)]
    made = [key for key in made if " " not in key.removeprefix("call ")]
    if len(made) > len(children):
        yield f"{made} created children, and there are {len(children)}"
    told = Counter(kept.fact.type for kept in life.received.values())  # type: ignore[union-attr]
    yield from (
        f"{type_} is told {n} times" for type_, n in told.items() if n > 1 and type_.startswith(".child")
    )
    known = {*told, *(event.type for event in life.instance.gone)}
    yield from (
        f"{one.new.awaited} is over, and that is told nowhere"
        for one in children
        if one.over and one.journal[-1].at < life.end.at and one.new.awaited not in known
    )
    for sight in life.sights:
        if sight.what.startswith("call ") and not _is_error(sight.value):
            outputs = [one.output for one in children if one.status == "complete"]
            if not any(_gives(output, sight.value) for output in outputs):
                yield f"{sight} is no child's output"


def _is_error(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and value[0] == "error"


def _gives(output: bytes | None, value: object) -> bool:
    return output is not None and values.decode(output) == value


RULES = (
    events_are_kept,
    events_are_seen_once,
    first_in_first_out,
    heard_in_time,
    ended_for_a_reason,
    undone_in_order,
    undone_by_turns,
    family_is_told,
)

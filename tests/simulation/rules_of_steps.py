"""What holds of the steps of any instance: each settles once, is seen like that, is called as allowed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.simulation.life import CUT_OFF, ENDED, NOT_YET, Life
from wflow.engine import values
from wflow.engine.facts import Failed, Logged, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import Err, Ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.record import Called, Sight
    from tests.simulation.store import Kept


def journal_in_order(life: Life) -> Iterator[str]:
    """Numbers without a gap, epochs that only grow, one end, at the end."""
    epoch = 0
    for number, kept in enumerate(life.journal, 1):
        if kept.seq != number:
            yield f"fact {number} bears the number {kept.seq}"
        if kept.epoch is not None and kept.epoch < epoch:
            yield f"fact {number} is of claim {kept.epoch}, after one of claim {epoch}"
        epoch = max(epoch, kept.epoch or 0)
    ends = [kept.seq for kept in life.moves if isinstance(kept.fact, Moved) and kept.fact.status in ENDED]
    if ends != [len(life.journal)]:
        yield f"it ended at {ends}, and its journal has {len(life.journal)} facts"


def settled_once(life: Life) -> Iterator[str]:
    """One Opened and one Settled a key at the most, a place for each step, and nothing of it afterwards."""
    for kind in (Opened, Settled):
        counted = Counter(kept.fact.key for kept in life.journal if isinstance(kept.fact, kind))
        yield from (f"{key} is {kind.__name__} {n} times" for key, n in counted.items() if n > 1)
    over: set[str] = set()
    for kept in life.journal:
        if isinstance(kept.fact, (Opened, Tried, Failed, Settled)):
            if kept.fact.key in over:
                yield f"{kept.fact} comes after its step had settled"
            if isinstance(kept.fact, Settled):
                over.add(kept.fact.key)
    if len(set(life.orders.values())) < len(life.orders):
        yield f"two steps have one place: {life.orders}"


def never_called_again(life: Life) -> Iterator[str]:
    """No function is called for a claim that has its step settled, or is over by its holder's own word."""
    for call in life.calls:
        settled = life.settled.get(call.key)
        if settled is not None and settled.tick < call.tick and (settled.epoch or 0) <= call.epoch:
            yield f"{call.key} is called again by {call}"
        given_up = life.instance.given_up.get(call.epoch)
        if given_up is not None and given_up < call.tick:
            yield f"{call.key} is called under a claim that is over, by {call}"
        if call.epoch < 1:
            yield f"{call.key} is called by nobody, by {call}"


def in_one_process(life: Life) -> Iterator[str]:
    """All that is done under one claim is done in one process."""
    processes: dict[int, set[int]] = {}
    for call in life.calls:
        processes.setdefault(call.epoch, set()).add(call.process)
    for epoch, found in processes.items():
        if len(found) > 1:
            yield f"claim {epoch} is played in the processes {sorted(found)}"


def seen_as_it_settled(life: Life) -> Iterator[str]:
    """What the code sees are outcomes that are on disk, in the order in which they are there."""
    settled = [kept for kept in life.journal if isinstance(kept.fact, Settled)]
    at = 0
    for sight in life.sights:
        if sight.what.startswith(("ctx.", "call ", "map", "event", "returns", "cancelled")):
            continue
        found = next((n for n in range(at, len(settled)) if _is(life, settled[n].fact, sight)), None)  # type: ignore[arg-type]
        if found is None:
            yield f"{sight} is no outcome that the journal has next"
            return
        if settled[found].tick > sight.tick:
            yield f"{sight} was seen before it was kept, at {settled[found].tick}"
        at = found + 1


def _is(life: Life, fact: Settled, sight: Sight) -> bool:
    if fact.key.rpartition("-")[0] != sight.what:
        return False
    if isinstance(fact.outcome, Err):
        return (
            isinstance(sight.value, list)
            and sight.value[0] == "error"
            and bool(sight.value[2] == fact.outcome.failure.message)
        )
    if fact.event is None:
        return bool(values.decode(fact.outcome.value) == sight.value)
    arrived = life.received[fact.event].fact
    assert isinstance(arrived, Received)
    return bool([arrived.type, values.decode(arrived.payload)] == sight.value)


def given_by_a_call(life: Life) -> Iterator[str]:
    """A value is what one of the calls of the step's function gave, and that call came to its end."""
    calls = {call.mark: call for call in life.calls}
    for key, kept in life.settled.items():
        outcome = life.outcome(key)
        if life.kinds[key] not in ("do", "poll") or not isinstance(outcome, Ok):
            continue
        given = values.decode(outcome.value)
        if isinstance(given, str) and "#" in given:
            call = calls.get(given)
            if call is None or call.key != key:
                yield f"{key} settled with {given!r}, which none of its calls gave"
            elif call.ended is None or call.ended > kept.tick:
                yield f"{key} settled with {given!r} before that call had ended"


def as_often_as_allowed(life: Life) -> Iterator[str]:
    """Failures up to the limit and one more; in each stretch under one claim no more than were left."""
    for key, failed in life.failed.items():
        own = [kept for kept in failed if kept.fact.failure.name not in (CUT_OFF, NOT_YET)]  # type: ignore[union-attr]
        if life.kinds.get(key) in ("do", "rollback") and len(own) > life.limit(key) + 1:
            yield f"{key} failed {len(own)} times, with {life.limit(key)} retries"
        attempts = [kept.fact.attempt for kept in failed]  # type: ignore[union-attr]
        if attempts != sorted(set(attempts)):
            yield f"{key} failed at the attempts {attempts}"
    stretches: dict[tuple[str, int, int, int], list[Called]] = {}
    for call in life.calls:
        stretches.setdefault((call.key, call.process, call.epoch, call.passes), []).append(call)
    for (key, *_), calls in stretches.items():
        attempts = [call.attempt for call in calls]
        if attempts != sorted(set(attempts)):
            yield f"{key} is called for the attempts {attempts}, one after the other"
        if life.kinds.get(key) not in ("do", "rollback"):
            continue
        first = calls[0]
        failed = [kept for kept in life.failed.get(key, ()) if kept.tick < first.tick]
        failed = [kept for kept in failed if (kept.epoch or 0) <= first.epoch]
        counted = [kept for kept in failed if life.once(key) or kept.fact.failure.name != CUT_OFF]  # type: ignore[union-attr]
        if len(counted) + len(calls) > life.limit(key) + 1:
            yield f"{key} is called {len(calls)} times after {len(counted)} failures"


def at_most_once(life: Life) -> Iterator[str]:
    """An attempt that may be made once is on disk before it begins, and begins once."""
    counted = Counter((call.key, call.attempt) for call in life.calls if life.once(call.key))
    yield from (
        f"attempt {attempt} of {key} began {n} times" for (key, attempt), n in counted.items() if n > 1
    )
    for call in life.calls:
        tried = life.tried.get(call.key, ())
        if life.once(call.key) and not any(
            kept.fact.attempt == call.attempt and kept.tick < call.tick  # type: ignore[union-attr]
            for kept in tried
        ):
            yield f"{call} began before that was kept"
    counted_all = Counter(call.key for call in life.calls if life.once(call.key))
    yield from (f"{key} began {n} times" for key, n in counted_all.items() if n > life.limit(key) + 1)


def not_before_its_time(life: Life) -> Iterator[str]:
    """Sleeps and waits end when they are due, not counting pauses; a retry begins when its delay is over."""
    for key, kept in life.settled.items():
        fact, detail = kept.fact, life.details[key]
        assert isinstance(fact, Settled)
        span = detail.get("duration") if fact.kind == "sleep" else None
        if fact.kind == "waitForEvent" and isinstance(fact.outcome, Err):
            span = detail["timeout"]
        since = life.opened_at[key]
        due = detail.get("until") if span is None else since + span + life.paused_ms(since, fact.at)
        if due is not None and min(fact.at, kept.at) < due:
            yield f"{key} ended at {fact.at}, and was due at {due}"
        if due is not None and life.undisturbed and fact.at > max(due, since):
            yield f"{key} ended at {fact.at}, and nothing kept it from doing so at {due}"
    for key, failed in life.failed.items():
        yield from _retries(life, key, failed)


def _retries(life: Life, key: str, failed: list[Kept]) -> Iterator[str]:
    policy = life.details.get(key, {}).get("retries", {})
    calls = [call for call in life.calls if call.key == key]
    count = 0
    for kept in failed:
        fact = kept.fact
        assert isinstance(fact, Failed)
        if fact.failure.name == CUT_OFF or fact.retry_at is None:
            continue
        count += 1
        if policy and life.kinds[key] == "do":
            factor = count if policy["backoff"] == "linear" else 1
            if fact.retry_at < fact.at + policy["delay"] * factor:
                yield f"{key} is tried again {fact.retry_at - fact.at} ms after failure {count}"
        # Whose claim was over by then knows nothing of it.
        known = [call for call in calls if call.epoch >= (kept.epoch or 0)]
        early = [call for call in known if call.attempt == fact.attempt + 1 and call.at < fact.retry_at]
        if early:
            yield f"{early[0]} began before {fact.retry_at}"


def what_code_tells(life: Life) -> Iterator[str]:
    """A line is logged once, however often the code replays; what it returned is its output."""
    said = sum(sight.what == "ctx.log" for sight in life.sights)
    kept = sum(isinstance(one.fact, Logged) and one.fact.message == "a line" for one in life.journal)
    if kept > said or (kept < said and not life.stopped):
        yield f"{said} lines were said, and {kept} are kept"
    if life.instance.status == "complete":
        returned = [sight.value for sight in life.sights if sight.what == "returns"]
        output = values.decode(life.instance.output or b"")
        if returned != [output]:
            yield f"the code returned {returned}, and the output is {output!r}"
    times = [sight.value for sight in life.sights if sight.what == "ctx.now"]
    if times != sorted(times):
        yield f"time goes back: {times}"


RULES = (
    journal_in_order,
    settled_once,
    never_called_again,
    in_one_process,
    seen_as_it_settled,
    given_by_a_call,
    as_often_as_allowed,
    at_most_once,
    not_before_its_time,
    what_code_tells,
)

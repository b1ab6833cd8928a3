"""The judge of a storm: reads what is left on disk, with nothing of the engine but how a fact is written."""

from __future__ import annotations

import sqlite3
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wflow.engine import facts, values
from wflow.engine.facts import Moved, Received, Settled
from wflow.engine.outcome import Ok

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PAIRS = ("left", "right", "both", "once")
ENDED = {"complete", "errored", "terminated"}


@dataclass(slots=True)
class Case:
    """One instance: its row, its journal, and when its steps began by the witness."""

    workflow: str
    status: str
    params: dict[str, Any]
    output: Any
    seqs: list[int] = field(default_factory=list)
    journal: list[facts.Fact] = field(default_factory=list)
    began: list[tuple[str, int]] = field(default_factory=list)
    left: int = 0
    claimed: bool = False

    @property
    def settled(self) -> dict[str, Settled]:
        return {fact.key: fact for fact in self.journal if isinstance(fact, Settled)}

    @property
    def received(self) -> dict[int, Received]:
        return {fact.event: fact for fact in self.journal if isinstance(fact, Received)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What a storm excuses.

    ``cuts`` is how often a step may have been cut off, and so have begun once more. With ``stale``, somebody
    may have begun a step who did not know yet that his claim is over, and so that it is settled by now; one
    that is made at most once begins when that is on disk, and is excused by nothing.
    """

    cuts: int = 0
    stale: bool = False


CALM = Measure()


def judge(data: Path, witness: Path, wanted: Iterable[str], measure: Measure = CALM) -> dict[str, list[str]]:
    """Judge each of the ``wanted`` instances; gives what is wrong with each, which should be nothing."""
    cases = read(data / "wflow.sqlite", witness)
    return {id_: list(wrong(cases[id_], measure)) if id_ in cases else ["it is not there"] for id_ in wanted}


def read(database: Path, witness: Path) -> dict[str, Case]:
    """Read all there is, while nobody writes."""
    db = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
    cases: dict[int, Case] = {}
    by_id: dict[str, Case] = {}
    try:
        rows = db.execute("SELECT key, workflow, id, status, params, output, owner FROM instances")
        for key, workflow, id_, status, params, output, owner in rows:
            seen: Any = None if output is None else values.decode(output)
            given: Any = values.decode(params)
            cases[key] = by_id[id_] = Case(workflow, status, given, seen, claimed=owner is not None)
        statement = "SELECT instance, seq, body FROM records WHERE instance IS NOT NULL ORDER BY position"
        for key, seq, body in db.execute(statement):
            cases[key].seqs.append(seq)
            cases[key].journal.append(facts.decode(body))
        for key, left in db.execute("SELECT instance, count(*) FROM inbox GROUP BY instance"):
            cases[key].left = left
    finally:
        db.close()
    for line in witness.read_text().splitlines() if witness.exists() else []:
        id_, _, rest = line.partition(" ")
        step, _, at = rest.rpartition(" ")
        by_id[id_].began.append((step, int(at)))
    return by_id


def wrong(case: Case, measure: Measure) -> Iterable[str]:
    """Say what is wrong with one instance."""
    if case.status != "complete":
        yield f"it is {case.status}"
        return
    ends = [n for n, fact in enumerate(case.journal) if isinstance(fact, Moved) and fact.status in ENDED]
    if ends != [len(case.journal) - 1]:
        yield f"its journal ends {len(ends)} times, the last record is {len(case.journal) - 1}: {ends}"
    if case.seqs != list(range(1, len(case.seqs) + 1)):
        yield "its journal has gaps"
    if case.claimed or case.left:
        yield f"something is left: claimed {case.claimed}, {case.left} events"
    keys = Counter(fact.key for fact in case.journal if isinstance(fact, Settled))
    if twice := [key for key, times in keys.items() if times > 1]:
        yield f"settled twice: {twice}"
    came = [fact.event for fact in case.journal if isinstance(fact, Received)]
    if came != sorted(set(came)):
        yield f"events came in twice, or in another order: {came}"
    yield from wrong_effects(case, measure)
    yield from wrong_output(case)


def wrong_effects(case: Case, measure: Measure) -> Iterable[str]:
    """Compare what the witness saw with what was to be done, and with when it was settled."""
    expected = set(planned(case))
    once = {key for key in expected if key.startswith("once-")}
    settled = case.settled
    done = {key for key, fact in settled.items() if fact.kind == "do"}
    times = Counter(key for key, _ in case.began)
    if done != expected or set(times) | once != expected:
        yield f"steps differ: settled {done ^ expected}, begun {set(times) ^ expected}"
    allowed = {key: 1 if key in once else 1 + measure.cuts for key in times}
    if often := {key: count for key, count in times.items() if count > allowed[key]}:
        yield f"begun too often: {often}"
    again = [key for key, at in case.began if key in settled and at > settled[key].at]
    if again and not measure.stale:
        yield f"begun after they had settled: {again}"
    failed = [key for key, fact in settled.items() if key in done and not isinstance(fact.outcome, Ok)]
    if not set(failed) <= (once if measure.cuts else set()):
        yield f"failed: {failed}"


def planned(case: Case) -> Iterable[str]:
    """Name the steps that the workflow has, whatever happens."""
    given = case.params
    match case.workflow:
        case "parallel":
            return [*(f"part-{n}" for n in range(1, given["width"] + 1)), "end-1"]
        case "ticks":
            return [f"keep-{n}" for n in range(1, given["ticks"] + 1)]
        case "race":
            return [f"won-{n}" for n in range(1, given["rounds"] + 1)]
        case "wake":
            return [f"seen-{n}" for n in range(1, given["rounds"] + 1)]
        case "all-of":
            return [f"won by {case.output}-1"]
    return [f"{step}-{n}" for n in range(1, given["rounds"] + 1) for step in PAIRS]


def wrong_output(case: Case) -> Iterable[str]:
    """Compare what the code says that it saw with what the journal says that it was shown."""
    given = case.params
    match case.workflow:
        case "parallel":
            expected: Any = sum(range(1, given["width"] + 1))
        case "ticks":
            expected = payloads(case, [f"tick-{n}" for n in range(1, given["ticks"] + 1)])
        case "race":
            expected = payloads(case, [winner(case, n) for n in range(1, given["rounds"] + 1)])
        case "wake":
            expected = payloads(case, [f"wake-{n}" for n in range(1, given["rounds"] + 1)])
        case "all-of":
            places = [place(case, f"{name}-1") for name in "abc"]
            expected = "all" if max(places) < place(case, "nap-1") else "nap"
        case _:
            expected = given["rounds"] * (given["rounds"] + 1)
    if case.output != expected:
        yield f"it says {case.output}, its journal {expected}"
    if case.workflow in {"ticks", "race", "wake"}:
        seen = [one for one in case.output if isinstance(one, int)]
        if len(seen) != len(set(seen)):
            yield f"an event was seen twice: {seen}"
        numbers = {values.decode(fact.payload): number for number, fact in case.received.items()}
        order = [numbers[one] for one in seen]
        if order != sorted(order):
            yield f"events were seen in another order than they came: {order}"


def payloads(case: Case, keys: Iterable[str]) -> list[Any]:
    """Give what the events held that steps consumed: "late" for none, "nap" for a sleep."""
    settled, received = case.settled, case.received
    told: list[Any] = []
    for key in keys:
        fact = settled[key]
        if fact.event is not None:
            told.append(values.decode(received[fact.event].payload))
        else:
            told.append("nap" if key.startswith("nap") else "late")
    return told


def winner(case: Case, number: int) -> str:
    """Say which of the two that raced in a round was settled first."""
    return min((f"hit-{number}", f"nap-{number}"), key=lambda key: place(case, key))


def place(case: Case, key: str) -> int:
    """Give the place of a step's end in the journal, beyond the last one if it has none."""
    for number, fact in enumerate(case.journal):
        if isinstance(fact, Settled) and fact.key == key:
            return number
    return len(case.journal)

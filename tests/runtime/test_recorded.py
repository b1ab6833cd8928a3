from __future__ import annotations

import pytest

from wflow.engine import facts, values
from wflow.engine.facts import Fact, Failed, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import Failure, Ok
from wflow.runtime.recorded import turn_of
from wflow.wire.history import History, Subject
from wflow.wire.strict import HistoryError

BOOM = Failure("ValueError", "boom")


def history(*journal: Fact, replaced: int = 0, **more: object) -> History:
    subject = Subject(
        workflow="flow",
        id="a",
        key=7,
        status="running",
        created_at=5,
        started_at=6,
        params=values.encode({"a": 1}),
        seed=b"seed",
        shown=values.encode({"state": 1}),
        **more,  # type: ignore[arg-type]
    )
    events = [Received(3, "later", values.NONE, 1, 1)]
    numbered = [(seq * 10, fact) for seq, fact in enumerate(journal, 1)]
    return History(subject=subject, hash_seed=1, facts=numbered, events=events, replaced=replaced)


def journal_of(one: History) -> list[Fact]:
    return [facts.decode(raw) for raw in turn_of(one).records or ()]


def test_a_turn_is_all_that_its_history_says() -> None:
    turn = turn_of(history(Moved("running", 1), Moved("waiting", 2)))
    assert (turn.instance, turn.workflow, turn.id, turn.seq) == (7, "flow", "a", 20)
    assert (turn.created_at, turn.started_at, turn.seed) == (5, 6, b"seed")
    assert (values.decode(turn.params), values.decode(turn.shown or b"")) == ({"a": 1}, {"state": 1})
    assert turn.events == [], "what was not received is nothing to replay"


def test_an_instance_that_never_began_has_an_empty_turn() -> None:
    turn = turn_of(history())
    assert (turn.seq, turn.records) == (0, [])


def test_the_end_of_the_journal_tells_the_output() -> None:
    five = values.encode(5)
    assert journal_of(history(Moved("complete", 1), output=five)) == [Moved("complete", 1, five)]
    assert journal_of(history(Moved("errored", 1), failure=BOOM)) == [Moved("errored", 1, failure=BOOM)]


def test_an_end_that_was_not_the_last_tells_nothing() -> None:
    journal = [Moved("complete", 1), Moved("queued", 2, detail={"restart": True})]
    assert journal_of(history(*journal, output=values.encode(5))) == journal


def test_where_something_was_replaced_the_end_is_not_told() -> None:
    ended = Moved("errored", 1, failure=BOOM)
    assert journal_of(history(ended, failure=BOOM, replaced=1)) == [Moved("errored", 1)]
    assert journal_of(history(Moved("complete", 1), output=b"\x05", replaced=1)) == [Moved("complete", 1)]


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        (Tried("b-1", 1, 5), "facts[1].key: step 'b-1' was not opened before"),
        (Failed("b-1", 1, 5, 6, BOOM), "facts[1].key: step 'b-1' was not opened before"),
        (Settled("b-1", "waitForEvent", 5, Ok(), event=4), "facts[1].event: event 4 was not received before"),
    ],
)
def test_a_fact_that_speaks_of_what_was_not_told_is_refused_with_its_place(fact: Fact, said: str) -> None:
    known: list[Fact] = [Opened("b-1", "do", 1), Received(4, "go", values.NONE, 1, 1), fact]
    turn_of(history(*known))
    with pytest.raises(HistoryError) as refused:
        turn_of(history(Opened("a-1", "do", 1), fact))
    assert refused.value.message == said

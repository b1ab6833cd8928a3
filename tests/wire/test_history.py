from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from wflow.engine import facts, names, values
from wflow.engine.facts import Fact, Failed, Logged, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import Err, Failure, Ok, Outcome
from wflow.engine.status import ALL
from wflow.wire import history, portable
from wflow.wire.history import History, Subject
from wflow.wire.redaction import Redaction
from wflow.wire.strict import HistoryError

if TYPE_CHECKING:
    from collections.abc import Callable

INT = some.integers(-(2**63), 2**64 - 1)
COUNT = some.integers(0, 2**63 - 1)
TEXT = some.text(some.characters(exclude_categories=["Cs"]), max_size=12)
JSON: Any = some.recursive(
    some.none() | some.booleans() | INT | some.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda each: some.lists(each, max_size=3) | some.dictionaries(TEXT, each, max_size=3),
    max_leaves=6,
)
VALUE = (
    JSON
    | some.floats()
    | some.integers()
    | some.binary(max_size=9)
    | some.datetimes()
    | some.uuids()
    | some.decimals(allow_nan=False)
    | some.sets(TEXT, max_size=3)
    | some.dictionaries(some.integers(0, 9), TEXT, max_size=3)
    | some.timedeltas()
).map(values.encode)
DETAIL = some.dictionaries(TEXT, JSON, max_size=3)
FAILURES: Any = some.recursive(
    some.builds(
        Failure,
        TEXT,
        TEXT,
        path=TEXT,
        trace=TEXT,
        args=some.just(b"") | some.lists(JSON, max_size=2).map(values.encode),
        retryable=some.booleans(),
        kept=some.just(b"") | some.binary(max_size=9),
        notes=some.lists(TEXT, max_size=2),
    ),
    lambda each: some.builds(Failure, TEXT, TEXT, cause=each, group=some.lists(each, max_size=2)),
    max_leaves=3,
)
OUTCOME = some.builds(Ok, VALUE, COUNT) | some.builds(Err, FAILURES)
DIGEST = some.just(b"") | some.binary(min_size=8, max_size=8)
PAYLOAD = VALUE | OUTCOME.map(portable.as_payload)
EVENT = some.builds(Received, COUNT, some.just(".child-x") | TEXT, PAYLOAD, INT, INT, INT)
FACT = some.one_of(
    some.builds(Opened, TEXT, TEXT, INT, DIGEST, DETAIL, COUNT, TEXT),
    some.builds(Tried, TEXT, COUNT, INT),
    some.builds(Failed, TEXT, COUNT, INT, INT, FAILURES, some.none() | INT),
    some.builds(
        Settled, TEXT, TEXT, INT, OUTCOME, DIGEST, INT, COUNT, INT, some.none() | COUNT, DETAIL, COUNT, TEXT
    ),
    EVENT,
    some.builds(Moved, TEXT, INT, some.none() | VALUE, some.none() | FAILURES, DETAIL),
    some.builds(Logged, TEXT, TEXT, INT, DETAIL, TEXT, TEXT, COUNT),
)
SUBJECT = some.builds(
    Subject,
    workflow=TEXT,
    id=TEXT,
    key=COUNT,
    status=some.sampled_from(ALL),
    created_at=INT,
    params=VALUE,
    class_name=TEXT,
    version=TEXT,
    trigger=TEXT,
    started_at=some.none() | INT,
    ended_at=some.none() | INT,
    seed=some.binary(max_size=16),
    tags=some.lists(TEXT, max_size=3).map(tuple),
    output=some.none() | VALUE,
    failure=some.none() | FAILURES,
    shown=some.none() | VALUE,
)
HISTORY = some.builds(
    History,
    subject=SUBJECT,
    hash_seed=some.integers(0, history.HASH_SEED_MAX),
    facts=some.lists(FACT, max_size=6).map(lambda all_: list(enumerate(all_, 1))),
    events=some.lists(EVENT, max_size=2),
    wflow=TEXT,
)


@given(HISTORY)
def test_what_is_written_is_read_as_it_was(one: History) -> None:
    assert history.read(written(one)) == one


@given(HISTORY)
def test_it_is_valid_json_of_one_fact_a_line(one: History) -> None:
    text = written(one).decode()
    assert json.loads(text)["format"] == 1
    for _, fact in one.facts:
        assert sum(f'"fact": "{type(fact).__name__.lower()}"' in line for line in text.split("\n")) >= 1


@given(FACT)
def test_a_fact_has_the_same_bytes_afterwards(fact: Fact) -> None:
    (back,) = history.read(written(of([fact]))).facts
    assert facts.encode(back[1]) == facts.encode(fact)


@given(HISTORY, some.booleans())
def test_a_redacted_history_can_be_read_as_well(one: History, everything: bool) -> None:  # noqa: FBT001
    redaction = Redaction(everything=everything, keys=frozenset({"a"}))
    assert len(history.read(written(one, redaction)).facts) == len(one.facts)


def test_plain_values_can_be_read_by_people() -> None:
    (line,) = lines(of([settled({"total": 12.5, "tags": ["a", None]})]))
    assert line["value"] == {"total": 12.5, "tags": ["a", None]}
    assert line["kind"] == "do"


@pytest.mark.parametrize(
    "value", [b"raw", {1, 2}, float("nan"), 2**70, {1: "a"}, datetime(2026, 1, 1, tzinfo=UTC)]
)
def test_what_json_cannot_say_stands_there_by_its_bytes(value: object) -> None:
    (line,) = lines(of([settled(value)]))
    assert "value" not in line
    assert isinstance(line["value:base64"], str)


def test_what_a_child_ended_with_can_be_read_by_people() -> None:
    ok = portable.as_payload(Ok(values.encode({"a": 1})))
    (line,) = lines(of([Received(1, ".child-1", ok, 5, 6)]))
    assert line["value"] == {"a": 1}


def test_fields_that_have_their_defaults_are_left_out() -> None:
    (line,) = lines(of([Moved("running", 5)]))
    assert line == {"seq": 1, "fact": "moved", "status": "running", "at": 5}


# -- what cannot be read -------------------------------------------------------------------------------------


def swap(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


BAD: Any = {
    "no JSON": (lambda text: text[:-5], "the file is no JSON"),
    "no object": (lambda _: "[]", "the document: an object is expected"),
    "another format": (swap('"format": 1', '"format": 2'), "format: 1 is what"),
    "a format of text": (swap('"format": 1', '"format": "1"'), "format: 1 is what"),
    "a format of truth": (swap('"format": 1', '"format": true'), "format: 1 is what"),
    "an unknown field": (swap('"wflow"', '"wolf"'), "wolf: this field is not known"),
    "no seed": (swap('"hash_seed": 7,', ""), "hash_seed: this field is missing"),
    "a big seed": (
        swap('"hash_seed": 7', '"hash_seed": 4294967296'),
        "hash_seed: it is",
    ),
    "a key twice": (swap('"wflow"', '"format": 1, "wflow"'), "the key 'format' twice"),
    "no fact": (swap('"fact": "tried"', '"fact": "tired"'), "facts[0].fact: one of"),
    "no number": (swap('"attempt": 1', '"attempt": "1"'), "facts[0].attempt: a whole"),
    "a fraction": (swap('"attempt": 1', '"attempt": 1.5'), "facts[0].attempt: a whole"),
    "true": (swap('"attempt": 1', '"attempt": true'), "facts[0].attempt: a whole"),
    "65 bits": (
        swap('"attempt": 1', f'"attempt": {2**64}'),
        "facts[0].attempt: a whole",
    ),
    "no text": (swap('"key": "a-1"', '"key": null'), "facts[0].key: a text is expected"),
    "a field of none": (
        swap('"attempt"', '"attemt"'),
        "facts[0].attemt: this field is not",
    ),
    "half a fact": (
        swap('"attempt": 1, ', ""),
        "facts[0].attempt: this field is missing",
    ),
    "two values": (
        swap('"value": 5', '"value": 5, "value:base64": "BQ=="'),
        "facts[1].value:base64",
    ),
    "a value and an error": (
        swap('"value": 5', '"value": 5, "error": {}'),
        "facts[1].error: there",
    ),
    "no value": (swap(', "value": 5', ""), "facts[1].value: this field is missing"),
    "no base64": (
        swap('"value": 5', '"value:base64": "?"'),
        "facts[1].value:base64: this is no",
    ),
    "an error of half": (
        swap('"value": 5', '"error": {"name": "E"}'),
        "facts[1].error.message",
    ),
    "a fact of none": (
        swap('{"seq": 1', '[], {"seq": 1'),
        "facts[0]: an object is expected",
    ),
    "a seq twice": (
        swap('"seq": 2', '"seq": 1'),
        "facts[1].seq: 1 does not come after 1",
    ),
    "no status": (
        swap('"status": "running"', '"status": "dead"'),
        "instance.status: one of",
    ),
    "no params": (swap('"params"', '"shown"'), "instance.params: this field is missing"),
    "no hex": (swap('"seed": "00"', '"seed": "zz"'), "instance.seed: hex digits"),
    "no Unicode": (
        swap('"id": "one"', '"id": "\\ud800"'),
        "instance.id: the text is no Unicode",
    ),
    "infinity": (swap('"value": 5', '"value": 1e999'), "too big a number"),
    "a constant": (swap('"value": 5', '"value": NaN'), "NaN is no number of JSON"),
    "deep nesting": (
        swap('"value": 5', f'"value": {"[" * 200}{"]" * 200}'),
        "facts[1].value: this",
    ),
    "an endless nest": (
        swap('"value": 5', f'"value": {"[" * 200_000}'),
        "the file cannot be read",
    ),
    "many errors": (
        swap('"value": 5', '"error": ' + '{"name": "E", "message": "", "cause": ' * 200 + "1" + "}" * 200),
        "nested more than 100 deep",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_with_its_place(name: str) -> None:
    spoil, said = BAD[name]
    whole = written(of([Tried("a-1", 1, 5), settled(5)])).decode()
    history.read(whole.encode())
    spoilt = spoil(whole)
    assert spoilt != whole
    with pytest.raises(HistoryError) as refused:
        history.read(spoilt.encode(errors="surrogatepass"))
    assert said in refused.value.message


def test_a_file_that_is_no_text_is_refused() -> None:
    with pytest.raises(HistoryError, match="the file is no text"):
        history.read(b"\xff\xfe")


def test_a_file_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "FILE_BYTES", 10)
    with pytest.raises(HistoryError, match="the limit is 10"):
        history.read(written(of([])))


def test_too_many_facts_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "FACTS", 1)
    with pytest.raises(HistoryError, match="facts: it has 2 items; the limit is 1"):
        history.read(written(of([Tried("a-1", 1, 5), settled(5)])))


def test_the_limits_leave_room_for_every_instance() -> None:
    assert history.FILE_BYTES >= names.STATE_BYTES * 4 // 3
    assert history.EVENTS >= names.EVENTS_BUFFERED


# -- how it is done ------------------------------------------------------------------------------------------


def settled(value: object) -> Settled:
    return Settled("b-1", "do", 6, Ok(values.encode(value)), opened_at=5, attempt=1, began_at=5)


def outcome_of(fact: Fact) -> Outcome:
    assert isinstance(fact, Settled)
    return fact.outcome


def of(journal: list[Fact]) -> History:
    subject = Subject(
        workflow="flow",
        id="one",
        key=3,
        status="running",
        created_at=5,
        params=values.encode({}),
        class_name="Flow",
        seed=b"\x00",
    )
    return History(subject=subject, hash_seed=7, facts=list(enumerate(journal, 1)))


def written(one: History, redaction: Redaction | None = None) -> bytes:
    return "".join(history.write(one, redaction)).encode()


def lines(one: History) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(written(one))["facts"]
    return found

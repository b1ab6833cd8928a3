"""`.../instances/{id}/history`."""

from __future__ import annotations

import pytest

from tests.server.small_host import SEED, problem
from tests.server.test_auth import bearer
from wflow.engine import facts, values
from wflow.engine.facts import Fact, Logged, Moved, Opened, Received, Settled
from wflow.engine.outcome import Ok
from wflow.server.auth import TokenAuth
from wflow.server.front import RUNNER
from wflow.server.routes import history as route
from wflow.stores.settings import HASH_SEED, SETTINGS
from wflow.stores.store import Batch, Cell
from wflow.wire import history

PATH = "/workflows/orders/instances/a/history"
JOURNAL: list[Fact] = [
    Moved("running", 1),
    Settled(
        "fetch-1", "do", 5, Ok(values.encode({"card": "4111", "sum": 12})), b"12345678", 1, 1, 1, order=1
    ),
    Opened("secret-1", "do", 6, b"12345678", {"sensitive": "output"}),
    Settled("secret-1", "do", 7, Ok(values.encode("s3cret")), b"12345678", 6, 1, 6),
    Logged("info", "hello Ada", 8, {"card": "4111"}),
    Settled("nap-1", "sleep", 9, Ok(), b"12345678", 8),
]


@pytest.fixture
def a(house):
    """An instance with a secret and an event that it has not received."""
    house.run(house.host.play("a", *JOURNAL))
    house.run(house.host.send_event("orders", "a", "later", values.encode(5)))
    house.run(house.host.store.write([Cell(space=SETTINGS, key=HASH_SEED, value=b"4711")]))
    return house


def read(answer):
    assert answer.status_code == 200, answer.text
    return history.read(answer.content)


def test_the_whole_of_an_instance_is_in_its_history(a):
    answer = a.api("GET", PATH, params={"with_sensitive": "true"})
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-disposition"] == 'attachment; filename="a.json"'
    found = read(answer)
    stored = a.run(a.host.get("orders", "a"))
    subject = found.subject
    assert [fact for _, fact in found.facts] == JOURNAL
    assert [event.type for event in found.events] == ["later"]
    assert (found.hash_seed, subject.seed, subject.key) == (4711, SEED, stored.key)
    assert (subject.workflow, subject.class_name, subject.id) == ("orders", "Orders", "a")
    assert (subject.status, subject.params) == (stored.status, stored.params)
    assert found.redacted == []
    assert found.replaced == 0


def test_it_is_read_from_the_store_in_pages(a, monkeypatch):
    monkeypatch.setattr(route, "RECORDS", 1)
    assert len(read(a.api("GET", PATH)).facts) == len(JOURNAL)


def test_what_sensitive_steps_gave_is_not_in_it_unless_that_is_asked_for(a):
    answer = a.api("GET", PATH)
    assert b"s3cret" not in answer.content
    found = read(answer)
    assert found.redacted == ["sensitive"]
    assert found.replaced == 1
    digests = [fact.digest for _, fact in found.facts if isinstance(fact, Settled)]
    assert digests == [b"12345678", b"", b""], "what came after it may have been made of it"


def test_all_texts_and_numbers_can_be_taken_out(a):
    answer = a.api("GET", PATH, params={"redact": "1"})
    for word in (b"4111", b"s3cret", b"Ada"):
        assert word not in answer.content
    assert read(answer).redacted == ["all"]


def test_what_stands_under_some_keys_can_be_taken_out(a):
    answer = a.api("GET", PATH, params={"redact_key": ["Card", "other"]})
    assert b"4111" not in answer.content
    assert b'"sum": 12' in answer.content
    assert read(answer).redacted == ["key:Card", "key:other", "sensitive"]


def test_an_event_that_is_received_meanwhile_is_there_once(a, monkeypatch):
    load = a.host.store.load

    async def loaded(after):
        found = await load(after)
        ((key, past),) = found.items()
        (event,) = past.events
        fact = Received(event.event, event.type, event.payload, event.sent_at, 9)
        row = (key, len(JOURNAL) + 1, facts.RECEIVED, 9, facts.encode(fact))
        kept = await a.host.store.append(Batch(claims=[(key, 1)], rows=[row], received=[event.event]))
        assert not kept.refused
        return found

    monkeypatch.setattr(a.host.store, "load", loaded)
    found = read(a.api("GET", PATH))
    assert found.events == []
    assert isinstance(found.facts[-1][1], Received)


@pytest.mark.parametrize(
    "query", [{"redact_key": ""}, {"redact_key": "x" * 201}, {"redact_key": ["k"] * 101}]
)
def test_keys_that_are_none_are_refused(a, query):
    assert problem(a.api("GET", PATH, params=query))[:2] == (400, 10026)


def test_an_instance_that_is_not_there_is_not_found(a):
    assert problem(a.api("GET", "/workflows/orders/instances/b/history"))[:2] == (404, 10400)


def test_the_latest_one_is_found(a):
    assert read(a.api("GET", "/workflows/orders/instances/latest/history")).subject.id == "a"


def test_a_token_that_only_reads_gets_no_secrets(a):
    a.open(TokenAuth(store=a.host.store, now=a.host.now), RUNNER, peer=("203.0.113.7", 50_000))
    reader, deployer = bearer(a, "read", "r"), bearer(a, "deploy", "d")
    found = read(a.api("GET", PATH, headers=reader))
    assert found.redacted == ["sensitive", "chance"]
    assert found.subject.seed == b"", "it foretells chance, and the idempotency keys"
    assert found.replaced == 2
    assert read(a.api("GET", PATH, headers=deployer)).subject.seed == SEED
    answer = a.api("GET", PATH, headers=reader, params={"with_sensitive": "true"})
    assert problem(answer)[:2] == (403, 9109)
    assert b"s3cret" in a.api("GET", PATH, headers=deployer, params={"with_sensitive": "true"}).content


def test_facts_are_written_as_they_were(a):
    found = read(a.api("GET", PATH, params={"with_sensitive": "true"}))
    assert [facts.encode(fact) for _, fact in found.facts] == [*map(facts.encode, JOURNAL)]

"""A batch in a consumer's hands: what it says of each message, and what comes of that."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from wflow.engine.outcome import Failure
from wflow.errors import InvalidInput
from wflow.runtime.messages import MessageBatch

BOOM = Failure("Boom", "it went off")


def batch(count=3):
    told = [[f"m{n}", 1_000 * n, n + 1, "json", f'{{"n": {n}}}'.encode()] for n in range(count)]
    return MessageBatch({"queue": "jobs", "messages": told})


def retried(batch, failed=None):
    return batch.answer(failed)["retries"]


def test_a_message_tells_what_it_is():
    made = batch()
    assert (made.queue, len(made.messages)) == ("jobs", 3)
    message = made.messages[2]
    assert (message.id, message.attempts, message.body) == ("m2", 3, {"n": 2})
    assert message.timestamp == datetime.fromtimestamp(2, UTC)
    assert repr(message) == "Message(id='m2', attempts=3)"


def test_returning_acknowledges_and_raising_does_not():
    assert batch().answer(None) == {"retries": [], "raised": None}
    assert batch().answer(BOOM) == {
        "retries": [[0, None], [1, None], [2, None]],
        "raised": "Boom: it went off",
    }
    assert batch().failure(BOOM) is None


def test_what_was_said_of_a_message_holds_when_the_handler_raises():
    made = batch()
    made.messages[0].ack()
    made.messages[1].retry(delay_seconds=5)
    assert retried(made, BOOM) == [[1, 5], [2, None]]


def test_the_first_word_counts_whoever_said_it():
    made = batch()
    first, second, third = made.messages
    first.ack()
    first.retry()
    second.retry(delay_seconds=1)
    second.ack()
    second.retry(delay_seconds=2)
    made.retry_all(delay_seconds=3)
    made.ack_all()
    third.ack()
    assert retried(made) == [[1, 1], [2, 3]]


def test_cloudflares_spellings_do_the_same():
    made = batch()
    made.messages[0].retry({"delaySeconds": 4})
    made.messages[1].retry(delaySeconds=5)
    made.ackAll()
    made.retryAll({"delaySeconds": 9})
    assert retried(made) == [[0, 4], [1, 5]]
    made = batch(1)
    made.retryAll(delaySeconds=0)
    assert retried(made) == [[0, 0]]


@pytest.mark.parametrize("given", [{"delaySeconds": -1}, {"delaySeconds": 86_401}, {"delay": 1}, 5])
def test_a_delay_that_makes_no_sense_is_refused_and_nothing_is_decided(given):
    made = batch(1)
    with pytest.raises(InvalidInput):
        made.messages[0].retry(given)
    assert retried(made) == []


def test_bodies_are_read_as_they_were_written():
    told = [
        ["a", 0, 1, "text", "é".encode()],
        ["b", 0, 1, "bytes", b"\xff"],
        ["c", 0, 1, "v8", b"\x93\x01\x02\x03"],
    ]
    made = MessageBatch({"queue": "jobs", "messages": told})
    assert [message.body for message in made.messages] == ["é", b"\xff", [1, 2, 3]]

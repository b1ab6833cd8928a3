"""`.../instances/{id}/step`."""

from __future__ import annotations

import msgspec
import pytest

from tests.server.small_host import problem
from wflow.engine import values
from wflow.engine.facts import Failed, Moved, Opened, Received, Settled, Tried
from wflow.engine.outcome import NOT_YET, Err, Failure, Ok
from wflow.engine.requests import CHILD
from wflow.engine.stream import PIECE_BYTES, Reference
from wflow.stores import pieces
from wflow.wire.envelope import PREFIX
from wflow.wire.shown import CUT

STEP = "/workflows/orders/instances/a/step"
BOOM = Failure(name="ValueError", message="boom", trace="Traceback: boom")
SHOWN = {"name": "ValueError", "message": "boom", "trace": "Traceback: boom"}
LONG = f"{PREFIX}/accounts/local{STEP}"
LARGE = ["x" * 500_000]


def child(outcome):
    return values.encode(msgspec.msgpack.encode(outcome))


@pytest.fixture
def a(house):
    """An instance with a step of each kind."""
    house.run(
        house.host.play(
            "a",
            Moved("running", 1),
            Settled("fetch-1", "do", 5, Ok(values.encode(LARGE)), b"", 1, 1, 1),
            Opened("secret-1", "do", 6, detail={"sensitive": "output"}),
            Settled("secret-1", "do", 7, Ok(values.encode("s3cret")), b"", 6, 1, 6),
            Opened("charge-1", "do", 8),
            Failed("charge-1", 1, 8, 9, BOOM, 1_000),
            Tried("charge-1", 2, 1_000),
            Settled("fail-1", "do", 9, Err(BOOM), b"", 8, 1, 8),
            Opened("paid-1", "waitForEvent", 8, detail={"type": "paid", "timeout": 2_000}),
            Opened("paid-2", "waitForEvent", 8, detail={"type": "paid", "timeout": 2_000}),
            Received(7, "paid", values.encode("other"), 8, 8),
            Received(8, "paid", values.encode({"by": LARGE}), 8, 8),
            Settled("paid-1", "waitForEvent", 10, Ok(), b"", 8, event=8),
            Opened("nap-1", "sleep", 11, detail={"duration": 60_000}),
            Opened("rollback:fetch-1", "rollback", 12),
            Opened("ready-1", "poll", 13, detail={"every": 5, "timeout": 60_000}),
            Failed("ready-1", 1, 13, 14, BOOM, 20),
            Failed("ready-1", 2, 20, 21, NOT_YET),
            Opened("asked-1", "poll", 13, detail={"every": 5, "timeout": 60_000}),
            Failed("asked-1", 1, 13, 14, NOT_YET),
            Received(9, f"{CHILD}x", child(Ok(values.encode({"by": LARGE}))), 8, 8),
            Settled("ship result-1", "waitForEvent", 15, Ok(), b"", 8, event=9),
            Received(10, f"{CHILD}y", child(Err(BOOM)), 8, 8),
            Settled("pack result-1", "waitForEvent", 15, Ok(), b"", 8, event=10),
        )
    )
    return house


def test_a_steps_output_is_all_of_it(a):
    assert a.get(STEP, name="fetch-1") == {"status": "complete", "error": None, "output": LARGE}
    assert a.get(STEP, name="fetch-1", type="step", attempt=1)["output"] == LARGE
    assert a.get("/workflows/orders/instances/latest/step", name="fetch-1")["output"] == LARGE


def test_a_waits_output_is_the_payload_of_its_event(a):
    told = a.get(STEP, name="paid-1", type="waitForEvent")
    assert told == {"status": "complete", "error": None, "output": {"by": LARGE}, "event_type": "paid"}


@pytest.mark.parametrize(
    ("name", "status"),
    [("paid-2", "waiting"), ("nap-1", "waiting"), ("rollback:fetch-1", "running"), ("asked-1", "running")],
)
def test_a_step_that_goes_on_has_no_output(a, name, status):
    told = a.get(STEP, name=name)
    assert (told["status"], told["error"], told["output"]) == (status, None, None)


def test_a_step_that_will_be_tried_again_is_running_and_has_an_error(a):
    assert a.get(STEP, name="charge-1") == {"status": "running", "error": SHOWN, "output": None}
    assert a.get(STEP, name="charge-1", attempt=1) == {"status": "errored", "error": SHOWN, "output": None}
    assert a.get(STEP, name="charge-1", attempt=2) == {"status": "running", "error": None, "output": None}


def test_a_check_that_said_to_go_on_is_complete_and_the_poll_is_not(a):
    assert a.get(STEP, name="ready-1", type="step")["status"] == "running"
    assert a.get(STEP, name="ready-1")["error"] == SHOWN, "the last that is one"
    assert a.get(STEP, name="ready-1", attempt=2) == {"status": "complete", "error": None, "output": None}
    assert a.get(STEP, name="ready-1", attempt=1)["status"] == "errored"


def test_a_child_is_shown_as_what_it_gave_or_raised(a):
    assert a.get(STEP, name="ship result-1")["output"] == {"by": LARGE}
    assert a.get(STEP, name="pack result-1")["output"] == {"error": {"name": "ValueError", "message": "boom"}}
    listed = {step["name"]: step["output"] for step in a.get("/workflows/orders/instances/a")["steps"]}
    assert listed["ship result-1"]["payload"].startswith('{"by":["xxx')
    assert listed["ship result-1"]["payload"].endswith(CUT)
    assert listed["pack result-1"]["payload"] == {"error": {"name": "ValueError", "message": "boom"}}


def test_a_step_that_failed_has_its_error_with_the_traceback(a):
    assert a.get(STEP, name="fail-1") == {"status": "errored", "error": SHOWN, "output": None}


def test_a_sensitive_output_is_not_shown_anywhere(a):
    assert a.get(STEP, name="secret-1")["output"] == "[REDACTED]"
    assert a.get(STEP, name="secret-1", attempt=1)["output"] == "[REDACTED]"
    assert "s3cret" not in a.api("GET", "/workflows/orders/instances/a").text
    assert "s3cret" not in a.api("GET", "/logs?level=debug").text


@pytest.mark.parametrize(
    "query",
    [
        {"name": "fetch"},
        {"name": "fetch-2"},
        {"name": "etch-1"},
        {"name": "paid-1", "type": "step"},
        {"name": "fetch-1", "type": "waitForEvent"},
        {"name": "fetch-1", "attempt": 2},
        {"name": "nap-1", "attempt": 1},
        {"name": "\ud800".encode("utf-8", "surrogatepass")},
    ],
)
def test_a_step_that_is_not_there_is_not_found(a, query):
    assert problem(a.api("GET", STEP, params=query))[:2] == (404, 19002)


@pytest.mark.parametrize(
    "query", [{}, {"name": ""}, {"name": "a-1", "type": "do"}, {"name": "a-1", "attempt": 0}]
)
def test_a_question_that_is_malformed_is_refused(a, query):
    assert problem(a.api("GET", STEP, params=query))[:2] == (400, 10026)


def test_a_step_of_nobody_is_not_found(house):
    assert problem(house.api("GET", STEP, params={"name": "a-1"}))[:2] == (404, 10400)


def test_a_stream_is_answered_by_its_bytes(house):
    piece = b"x" * PIECE_BYTES
    made = Reference(1, "dump-1", "t", 2 * PIECE_BYTES + 3, "ab")
    house.run(house.host.play("a", Settled("dump-1", "do", 5, Ok(values.encode_stream(made)), b"", 1, 1, 1)))
    key = house.run(house.host.get("orders", "a")).key
    cells = [
        pieces.cell(key, pieces.key("dump-1", "t", n), each) for n, each in enumerate((piece, piece, b"end"))
    ]
    house.run(house.host.store.write(cells))
    answer = house.ask("GET", LONG, params={"name": "dump-1"}, headers={"accept": "*/*"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/octet-stream")
    assert answer.content == piece + piece + b"end"
    told = house.ask("GET", LONG, params={"name": "dump-1"}, headers={"accept": "application/json"})
    assert told.json()["result"] == {
        "status": "complete",
        "error": None,
        "output": f"[stream of {made.size:,} bytes]",
        "stream": {"size": made.size, "digest": "ab"},
    }


def test_a_stream_whose_pieces_are_gone_is_an_error_and_a_hidden_one_is_hidden(house):
    made = values.encode_stream(Reference(1, "dump-1", "t", 3, "ab"))
    house.run(
        house.host.play(
            "a",
            Settled("dump-1", "do", 5, Ok(made), b"", 1, 1, 1),
            Settled("hidden-1", "do", 5, Ok(made), b"", 1, 1, 1, detail={"sensitive": "output"}),
        )
    )
    answer = house.ask("GET", LONG, params={"name": "dump-1"}, headers={"accept": "*/*"})
    assert answer.status_code == 500
    hidden = house.ask("GET", LONG, params={"name": "hidden-1"}, headers={"accept": "*/*"})
    assert hidden.json()["result"]["output"] == "[REDACTED]"

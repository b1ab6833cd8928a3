"""The events of an instance: what each fact tells, and the same numbers wherever one goes on."""

from __future__ import annotations

import msgspec
import pytest

from wflow.engine import happenings, values
from wflow.engine.facts import Fact, Failed, Logged, Moved, Opened, Received, Settled, Tried, decode, encode
from wflow.engine.happenings import GROUPS, TYPES, Happenings, Told, last_number, wanted
from wflow.engine.outcome import INTERRUPTED, NOT_YET, Err, Failure, Ok
from wflow.engine.stream import Reference
from wflow.errors import InvalidInput

BOOM = Failure(name="ValueError", message="boom", trace="Traceback ...")
ERROR = {"name": "ValueError", "message": "boom"}
CUT_OFF = {"name": INTERRUPTED.name, "message": INTERRUPTED.message}
TIMED_OUT = Failure(name="WorkflowTimeoutError", message="Execution timed out after 5000ms")
SEVEN = Ok(values.encode(7))
CONFIG = {"retries": {"limit": 5, "delay": 10_000, "backoff": "exponential"}, "timeout": 600_000}
PARAMS = values.encode({"url": "http://a"})


def told(*journal: Fact, first: int = 1, after: int = 0, types: frozenset[str] = frozenset(TYPES)):
    """Fold facts that lie at successive positions; without the creation."""
    fold = Happenings(PARAMS, wanted=types, after=after)
    return [
        happening for position, fact in enumerate(journal, first) for happening in fold.take(position, fact)
    ]


def plain(*journal: Fact) -> list[tuple[str, int, dict[str, object]]]:
    return [(each.type, each.at, each.more) for each in told(*journal)]


def types(*journal: Fact) -> list[str]:
    return [each.type for each in told(*journal)]


# -- steps -----------------------------------------------------------------------------------------------


def test_a_step_that_succeeds_at_once_is_one_fact_and_four_events():
    assert plain(Settled("charge-1", "do", 1_500, SEVEN, b"", 1_000, 1, 1_100)) == [
        ("step_started", 1_000, {"stepName": "charge-1", "config": CONFIG}),
        ("attempt_started", 1_100, {"stepName": "charge-1", "attempt": 1}),
        ("attempt_completed", 1_500, {"stepName": "charge-1", "attempt": 1}),
        ("step_completed", 1_500, {"stepName": "charge-1", "output": 7}),
    ]


def test_the_events_of_a_step_that_is_retried_come_as_its_facts_do():
    journal: list[Fact] = [
        Opened("charge-1", "do", 1_000, detail={"retries": {"limit": 1, "delay": "[dynamic]"}, "timeout": 5}),
        Failed("charge-1", 1, 1_000, 1_200, BOOM, 2_200),
        Tried("charge-1", 2, 2_200),
        Settled("charge-1", "do", 2_500, SEVEN, b"", 1_000, 2, 2_200),
    ]
    config = {"retries": {"limit": 1, "delay": "[dynamic]"}, "timeout": 5}
    failed = {"stepName": "charge-1", "attempt": 1, "error": ERROR, "retryDelayMs": 1_000}
    assert plain(*journal) == [
        ("step_started", 1_000, {"stepName": "charge-1", "config": config}),
        ("attempt_started", 1_000, {"stepName": "charge-1", "attempt": 1}),
        ("attempt_errored", 1_200, failed),
        ("attempt_started", 2_200, {"stepName": "charge-1", "attempt": 2}),
        ("attempt_completed", 2_500, {"stepName": "charge-1", "attempt": 2}),
        ("step_completed", 2_500, {"stepName": "charge-1", "output": 7}),
    ]


def test_the_last_error_has_no_delay_and_the_step_errors_with_it():
    journal: list[Fact] = [
        Opened("charge-1", "do", 1_000),
        Tried("charge-1", 1, 1_000),
        Failed("charge-1", 1, 1_000, 1_200, BOOM),
        Settled("charge-1", "do", 1_200, Err(BOOM), b"", 1_000, 1, 1_000),
    ]
    assert plain(*journal)[1:] == [
        ("attempt_started", 1_000, {"stepName": "charge-1", "attempt": 1}),
        ("attempt_errored", 1_200, {"stepName": "charge-1", "attempt": 1, "error": ERROR}),
        ("step_errored", 1_200, {"stepName": "charge-1", "error": ERROR}),
    ]


def test_a_step_that_fails_in_one_fact_tells_of_its_attempt_as_well():
    assert plain(Settled("charge-1", "do", 1_500, Err(BOOM), b"", 1_000, 1, 1_100))[1:] == [
        ("attempt_started", 1_100, {"stepName": "charge-1", "attempt": 1}),
        ("attempt_errored", 1_500, {"stepName": "charge-1", "attempt": 1, "error": ERROR}),
        ("step_errored", 1_500, {"stepName": "charge-1", "error": ERROR}),
    ]


def test_an_attempt_that_was_cut_off_errors_when_the_next_begins():
    journal: list[Fact] = [
        Opened("charge-1", "do", 1_000),
        Tried("charge-1", 1, 1_000),
        Tried("charge-1", 2, 9_000),
        Settled("charge-1", "do", 9_500, SEVEN, b"", 1_000, 2, 9_000),
    ]
    assert plain(*journal)[2:4] == [
        ("attempt_errored", 9_000, {"stepName": "charge-1", "attempt": 1, "error": CUT_OFF}),
        ("attempt_started", 9_000, {"stepName": "charge-1", "attempt": 2}),
    ]
    unheard = types(*journal[:2], journal[3])
    assert unheard == types(*journal), "though the journal tells of the second attempt only when it is over"


def test_an_attempt_that_begins_again_under_its_number_is_told_again():
    journal: list[Fact] = [
        Opened("charge-1", "do", 1_000),
        Tried("charge-1", 1, 1_000),
        Tried("charge-1", 1, 9_000),
        Settled("charge-1", "do", 9_500, SEVEN, b"", 1_000, 1, 9_000),
    ]
    assert types(*journal)[1:] == [
        "attempt_started",
        "attempt_errored",
        "attempt_started",
        "attempt_completed",
        "step_completed",
    ]


def test_a_step_that_is_given_up_in_the_middle_of_an_attempt_ends_that_too():
    journal: list[Fact] = [
        Opened("charge-1", "do", 1_000),
        Tried("charge-1", 1, 1_000),
        Settled("charge-1", "do", 9_500, Err(BOOM), b"", 1_000, 1, 1_000),
    ]
    assert plain(*journal)[2:] == [
        ("attempt_errored", 9_500, {"stepName": "charge-1", "attempt": 1, "error": CUT_OFF}),
        ("step_errored", 9_500, {"stepName": "charge-1", "error": ERROR}),
    ]


def test_a_check_that_says_not_yet_is_an_attempt_that_completed():
    journal: list[Fact] = [
        Opened("ready-1", "poll", 1_000, detail={"every": 990, "timeout": 5_000}),
        Failed("ready-1", 1, 1_000, 1_010, NOT_YET, 2_000),
        Settled("ready-1", "poll", 2_010, SEVEN, b"", 1_000, 2, 2_000),
    ]
    assert types(*journal) == [
        "step_started",
        *("attempt_started", "attempt_completed"),
        *("attempt_started", "attempt_completed"),
        "step_completed",
    ]
    assert told(*journal)[0].more["config"] == {**CONFIG, "every": 990, "timeout": 5_000}


def test_facts_of_a_step_of_which_nothing_was_told_begin_it():
    assert types(Tried("charge-1", 1, 1_000)) == ["step_started", "attempt_started"]
    assert types(Failed("charge-1", 1, 1_000, 1_100, BOOM)) == [
        "step_started",
        "attempt_started",
        "attempt_errored",
    ]


def test_the_output_of_a_sensitive_step_is_not_told():
    secret: dict[str, object] = {"sensitive": "output"}
    at_once = told(Settled("key-1", "do", 1_500, SEVEN, b"", 1_000, 1, 1_100, detail=secret))
    later = told(
        Opened("key-1", "do", 1_000, detail=secret), Settled("key-1", "do", 1_500, SEVEN, b"", 1_000, 1)
    )
    for told_ in (at_once, later):
        assert told_[0].more["config"] == {**CONFIG, "sensitive": "output"}
        assert told_[-1].more["output"] == "[REDACTED]"


def test_an_output_that_is_a_stream_is_told_of_in_words():
    kept = values.encode_stream(Reference(1, "dump-1", "a", 1_234, "ab"))
    dumped = told(Settled("dump-1", "do", 1_500, Ok(kept), b"", 1_000, 1, 1_100))[-1]
    assert dumped.more["output"] == "[stream of 1,234 bytes]"


def test_a_value_without_an_attempt_is_a_step_without_one():
    assert types(Settled("now-1", "do", 1_000, SEVEN, b"", 1_000)) == ["step_started", "step_completed"]


# -- sleeps and waits ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detail", "span_ms"),
    [({"duration": 500}, 500), ({"until": 1_800}, 800), ({"until": 10}, 0), ({}, 0)],
    ids=["a duration", "an instant", "an instant that is past", "nothing"],
)
def test_a_sleep_says_how_long_it_lasts(detail, span_ms):
    began = ("sleep_started", 1_000, {"stepName": "nap-1", "durationMs": span_ms})
    ended = ("sleep_completed", 1_500, {"stepName": "nap-1"})
    assert plain(
        Opened("nap-1", "sleep", 1_000, detail=detail), Settled("nap-1", "sleep", 1_500, Ok(), b"", 1_000)
    ) == [began, ended]
    assert plain(Settled("nap-1", "sleep", 1_500, Ok(), b"", 1_000, detail=detail)) == [began, ended]


def test_a_wait_ends_with_its_event_or_without():
    opened = Opened("pay-1", "waitForEvent", 1_000, detail={"type": "paid", "timeout": 5_000})
    began = ("wait_started", 1_000, {"stepName": "pay-1", "eventType": "paid"})
    came: list[Fact] = [
        opened,
        Received(4, "paid", values.encode(1), 1_200, 1_200),
        Settled("pay-1", "waitForEvent", 1_200, Ok(), b"", 1_000, event=4),
    ]
    assert plain(*came) == [began, ("wait_completed", 1_200, {"stepName": "pay-1"})]
    late = Settled("pay-1", "waitForEvent", 6_000, Err(TIMED_OUT), b"", 1_000)
    assert plain(opened, late) == [began, ("wait_timed_out", 6_000, {"stepName": "pay-1"})]
    broke = Settled("pay-1", "waitForEvent", 1_100, Err(BOOM), b"", 1_000)
    assert plain(opened, broke) == [began, ("step_errored", 1_100, {"stepName": "pay-1", "error": ERROR})]


# -- rollbacks -------------------------------------------------------------------------------------------


def test_a_rollback_is_told_under_the_step_that_it_undoes():
    assert plain(Settled("rollback:charge-1", "rollback", 1_500, Ok(), b"", 1_000, 1, 1_100)) == [
        ("rollback_step_started", 1_000, {"stepName": "charge-1", "config": CONFIG}),
        ("rollback_attempt_started", 1_100, {"stepName": "charge-1", "attempt": 1}),
        ("rollback_attempt_completed", 1_500, {"stepName": "charge-1", "attempt": 1}),
        ("rollback_step_completed", 1_500, {"stepName": "charge-1"}),
    ]


def test_a_rollback_that_fails_says_why():
    journal: list[Fact] = [
        Opened("rollback:charge-1", "rollback", 1_000),
        Failed("rollback:charge-1", 1, 1_000, 1_200, BOOM, 1_700),
        Failed("rollback:charge-1", 2, 1_700, 1_800, BOOM),
        Settled("rollback:charge-1", "rollback", 1_800, Err(BOOM), b"", 1_000, 2, 1_700),
    ]
    assert plain(*journal)[1:] == [
        ("rollback_attempt_started", 1_000, {"stepName": "charge-1", "attempt": 1}),
        (
            "rollback_attempt_errored",
            1_200,
            {"stepName": "charge-1", "attempt": 1, "error": ERROR, "retryDelayMs": 500},
        ),
        ("rollback_attempt_started", 1_700, {"stepName": "charge-1", "attempt": 2}),
        ("rollback_attempt_errored", 1_800, {"stepName": "charge-1", "attempt": 2, "error": ERROR}),
        ("rollback_step_errored", 1_800, {"stepName": "charge-1", "error": ERROR}),
    ]


def test_a_step_may_be_called_like_a_rollback():
    assert told(Opened("rollback:x-1", "do", 1_000))[0].more["stepName"] == "rollback:x-1"


@pytest.mark.parametrize(
    ("outcome", "event"), [("complete", "rollback_completed"), ("failed", "rollback_errored")]
)
def test_the_end_of_a_rollback_is_told_before_the_end_of_the_instance(outcome, event):
    journal: list[Fact] = [
        Moved("running", 1_000),
        Moved("rollingBack", 2_000, failure=BOOM),
        Moved("waiting", 2_100),
        Moved("rollingBack", 3_000),
        Moved("errored", 4_000, failure=BOOM, detail={"rollback": outcome}),
    ]
    assert plain(*journal)[2:] == [
        ("rollback_started", 2_000, {}),
        ("workflow_waiting", 2_100, {}),
        ("workflow_running", 3_000, {}),
        (event, 4_000, {}),
        ("workflow_errored", 4_000, {"error": ERROR}),
    ]


def test_the_end_of_a_rollback_that_was_cut_away_is_not_told_and_changes_no_number():
    began, ended = Moved("rollingBack", 1), Moved("errored", 2, detail={"rollback": "failed"})
    assert told(ended, first=2) == told(began, ended)[-1:]


# -- the instance ----------------------------------------------------------------------------------------


def test_an_instance_that_was_created_is_queued_before_there_is_any_fact():
    fold = Happenings(PARAMS)
    (queued,) = fold.begin(900)
    assert happenings.event(queued, "order-1") == {
        "eventId": 1,
        "instanceId": "order-1",
        "timestamp": 900,
        "type": "workflow_queued",
    }
    assert queued.number < fold.take(1, Moved("running", 1_000))[0].number
    assert Happenings(after=1).begin(900) == []


def test_an_instance_starts_once_and_goes_on_as_often_as_it_rests():
    journal: list[Fact] = [
        Moved("running", 1_000),
        Moved("waiting", 1_100, detail={"until": 9_000}),
        Moved("running", 9_000),
        Moved("complete", 9_500, output=values.encode({"sum": 7})),
    ]
    assert plain(*journal) == [
        ("workflow_started", 1_000, {"params": {"url": "http://a"}}),
        ("workflow_running", 1_000, {}),
        ("workflow_waiting", 1_100, {}),
        ("workflow_running", 9_000, {}),
        ("workflow_completed", 9_500, {"output": {"sum": 7}}),
    ]


def test_pausing_is_told_with_what_held_it_if_anything_did():
    journal: list[Fact] = [
        Moved("waitingForPause", 1_000),
        Moved("paused", 1_100),
        Moved("queued", 2_000),
        Moved("paused", 3_000, failure=BOOM),
        Moved("terminated", 4_000),
    ]
    assert plain(*journal) == [
        ("workflow_waiting_for_pause", 1_000, {}),
        ("workflow_paused", 1_100, {}),
        ("workflow_queued", 2_000, {}),
        ("workflow_paused", 3_000, {"error": ERROR}),
        ("workflow_terminated", 4_000, {}),
    ]


def test_an_end_without_an_output_or_an_error_is_told_all_the_same():
    assert plain(Moved("complete", 1_000)) == [("workflow_completed", 1_000, {})]
    assert plain(Moved("errored", 1_000)) == [("workflow_errored", 1_000, {})]


def test_a_restart_begins_it_anew():
    journal: list[Fact] = [
        Moved("running", 1_000),
        Moved("rollingBack", 1_100),
        Moved("errored", 1_200, failure=BOOM),
        Moved("queued", 2_000, detail={"restart": True}),
        Moved("running", 2_100),
        Moved("rollingBack", 2_200),
    ]
    assert types(*journal)[4:] == [
        "workflow_queued",
        "workflow_started",
        "workflow_running",
        "rollback_started",
    ]
    assert [happenings.is_restart(fact) for fact in journal] == [False, False, False, True, False, False]
    assert not happenings.is_restart(Moved("queued", 1))
    assert not happenings.is_restart(Tried("a", 1, 1))


def test_what_is_logged_or_comes_in_or_is_of_a_later_release_is_no_event():
    assert types(Logged("info", "hello", 1), Received(1, "paid", b"", 1, 1), Moved("frozen", 1)) == []


# -- numbers, cursors, filters ---------------------------------------------------------------------------

STORY: list[Fact] = [
    Moved("running", 1_000),
    Opened("charge-1", "do", 1_000, detail={"sensitive": "output"}),
    Tried("charge-1", 1, 1_000),
    Opened("nap-1", "sleep", 1_000, detail={"duration": 500}),
    Logged("info", "hello", 1_100),
    Settled("quick-1", "do", 1_200, SEVEN, b"", 1_150, 1, 1_150),
    Failed("charge-1", 1, 1_000, 1_300, BOOM, 1_800),
    Moved("waiting", 1_300),
    Moved("running", 1_500),
    Settled("nap-1", "sleep", 1_500, Ok(), b"", 1_000),
    Settled("charge-1", "do", 1_900, SEVEN, b"", 1_000, 3, 1_850),
    Moved("rollingBack", 2_000),
    Settled("rollback:charge-1", "rollback", 2_100, Ok(), b"", 2_000, 1, 2_000),
    Moved("errored", 2_200, failure=BOOM, detail={"rollback": "complete"}),
]


def test_numbers_grow_and_are_made_of_the_positions():
    numbers = [each.number for each in told(*STORY, first=1_000)]
    assert numbers == sorted(set(numbers))
    assert [number // 16 for number in numbers] == sorted(number // 16 for number in numbers)
    assert numbers[0] // 16 == 1_000
    assert last_number(1_000) < 1_001 * 16 <= last_number(1_001)
    assert last_number(2**48) < 2**53, "a JavaScript number can hold it"


def test_whoever_goes_on_from_a_cursor_hears_the_rest_and_nothing_twice():
    everything = told(*STORY)
    for cursor in range(last_number(len(STORY)) + 2):
        expected = [each for each in everything if each.number > cursor]
        assert told(*STORY, after=cursor) == expected


def test_the_fold_goes_on_from_any_fact_with_what_it_knew_then():
    everything = told(*STORY)
    for stop in range(len(STORY)):
        fold = Happenings(PARAMS)
        before = [each for position, fact in enumerate(STORY[:stop], 1) for each in fold.take(position, fact)]
        kept = msgspec.msgpack.decode(msgspec.msgpack.encode(fold.told), type=Told)
        fold = Happenings(PARAMS, told=kept)
        behind = [
            each
            for position, fact in enumerate(STORY[stop:], stop + 1)
            for each in fold.take(position, decode(encode(fact)))
        ]
        assert before + behind == everything


def test_what_is_over_is_forgotten():
    fold = Happenings()
    for position, fact in enumerate(STORY, 1):
        fold.take(position, fact)
    assert fold.told.steps == {}


def test_a_filter_changes_no_number():
    everything = told(*STORY)
    for each in (["step_completed"], ["workflow"], ["attempt", "sleep_started"]):
        chosen = wanted(each)
        expected = [happening for happening in everything if happening.type in chosen]
        assert told(*STORY, types=chosen) == expected != []


def test_a_filter_names_types_or_groups_and_none_is_all_of_them():
    assert wanted(None) == wanted([]) == frozenset(TYPES)
    assert wanted(["sleep", "step_errored"]) == {"sleep_started", "sleep_completed", "step_errored"}
    assert wanted(list(GROUPS)) == frozenset(TYPES)
    assert set(GROUPS["workflow"]) > {"workflow_completed", "workflow_errored", "workflow_terminated"}
    assert len(TYPES) == len(set(TYPES)) == 29


@pytest.mark.parametrize("given", ["nothing", "steps", 5, None, ["step"]])
def test_a_type_that_there_is_not_is_refused_with_those_that_there_are(given):
    with pytest.raises(InvalidInput, match="there are no events of type") as refused:
        wanted(["step", given])
    assert refused.value.hint is not None
    assert all(each in refused.value.hint for each in (*TYPES, *GROUPS))


@pytest.mark.parametrize("given", ["step", {"step": True}, 5])
def test_a_filter_is_a_list(given):
    with pytest.raises(InvalidInput, match="a filter is a list of types of events"):
        wanted(given)


def test_a_change_that_the_code_took_in_is_no_event():
    assert types(Settled("patched:v2", "patch", 1_500, Ok(), order=1)) == []


def test_another_version_is_no_event_unless_the_instance_is_queued_by_it():
    began = Moved("running", 1)
    for status in ("running", "waiting", "paused", "waitingForPause", "rollingBack"):
        moved = Moved(status, 2, detail={"version": "v2", "from": "v1"})
        assert types(began, moved) == types(began)
        assert types(moved, began) == types(began), "it has not begun by that"
    assert types(began, Moved("paused", 2), Moved("queued", 3, detail={"version": "v2", "from": "v1"})) == [
        "workflow_started",
        "workflow_running",
        "workflow_paused",
        "workflow_queued",
    ]

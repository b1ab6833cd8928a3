"""Steps and waits: a test for each feature from A1 to A22 of the table of features, named after its id."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.stories.featured import lasts_ms, moment, open_project, open_site, step
from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.featured import Site

MINUTE_MS = 60_000


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with open_site(open_project(tmp_path_factory.mktemp("steps"), "steps")) as site:
        # It takes 5 seconds until it is given up; the others are tested meanwhile.
        site.start("paced", "late", "late")
        yield site


@pytest.fixture(scope="module")
def replayed(site: Site) -> Site:
    """Have instances lose their process in the middle; they go on in another, and then get their events."""
    site.start("parallel", id_="race")
    site.start("gives-up", id_="impatient")
    wait_for(lambda: site.effects("impatient"), "the end of a wait")
    for workflow, id_ in (("parallel", "race"), ("gives-up", "impatient")):
        site.until("waiting", workflow, id_)
    site.lose_runtimes()
    site.send("gives-up", "impatient", "never", "too late")
    for workflow, id_ in (("parallel", "race"), ("gives-up", "impatient")):
        site.send(workflow, id_, "go")
        site.end(workflow, id_)
    return site


def test_a1_a_class_with_run_finds_in_env_what_the_config_declares(site: Site):
    assert site.output("entrypoint") == {"in_run": "hello", "in_step": "hello"}


def test_a2_the_event_tells_of_the_instance_and_cannot_be_changed(site: Site):
    over = site.run("told", {"order": [1, 2]}, "event-1")
    told = over["output"]
    assert told["payload"] == {"order": [1, 2]}
    assert moment(told["timestamp"]) == moment(over["queued"])
    assert (told["ids"], told["names"]) == (["event-1"] * 2, ["told"] * 2)
    assert told["same"]
    assert len(told["refused"]) == 2
    assert site.output("told", None)["payload"] is None
    assert site.output("told")["payload"] == {}


def test_a4_a_step_runs_once_and_gives_what_is_kept(site: Site):
    assert site.output("steps", id_="adding") == {"total": 5, "pair": [5, 5], "is_a_list": True}
    assert site.effects("adding") == ["adds"]


def test_a5_a_step_takes_retries_and_a_timeout_in_either_form(site: Site):
    retries = {"limit": 3, "delay": "5 seconds", "backoff": "linear"}
    wanted = {"retries": {**retries, "delay": 5_000}, "timeout": MINUTE_MS}
    beside = {"retries": retries, "timeout": "1 minute", "sensitive": "output"}
    over = site.run("configured", {"options": [{"config": beside}, beside]})
    assert over["output"] == [wanted, wanted]
    for shown in over["steps"]:
        assert shown["config"] == {**wanted, "sensitive": "output"}


@pytest.mark.parametrize("limit", [0, 1, 3])
def test_a6_the_limit_is_how_often_a_step_is_retried(site: Site, limit: int):
    over = site.run("failing", {"retries": {"limit": limit, "delay": 1, "backoff": "constant"}})
    assert over["output"] == f"attempt {limit + 1}"
    assert len(step(over, "fail-1")["attempts"]) == limit + 1


def test_a6_the_limit_is_5_by_default_and_10000_at_the_most(site: Site):
    most = {"retries": {"limit": 10_000, "delay": 1}}
    seen = site.output("configured", {"options": [{}, most]})
    assert [each["retries"]["limit"] for each in seen] == [5, 10_000]
    refused = refusals(site, ["do", ["charge"], {"retries": {"limit": 10_001, "delay": 1}}])
    assert refused == [
        "InvalidInput: step 'charge': retries.limit must be a whole number from 0 to 10000, not 10001"
    ]


def test_a7_a_retry_waits_for_its_delay_which_is_ten_seconds_by_default(site: Site):
    said = [{}, *({"retries": {"limit": 1, "delay": delay}} for delay in (250, "2 minutes"))]
    seen = site.output("configured", {"options": said})
    assert [each["retries"]["delay"] for each in seen] == [10_000, 250, 2 * MINUTE_MS]
    over = site.run("failing", {"retries": {"limit": 1, "delay": 250, "backoff": "constant"}})
    first, second = step(over, "fail-1")["attempts"]
    assert moment(second["start"]) - moment(first["end"]) >= timedelta(milliseconds=250)


@pytest.mark.parametrize(
    ("backoff", "delays"),
    [
        ("constant", [20, 20, 20]),
        ("linear", [20, 40, 60]),
        ("exponential", [20, 40, 80]),
        (None, [20, 40, 80]),
    ],
)
def test_a8_delays_stay_or_grow_with_the_attempts(site: Site, backoff: str | None, delays: list[int]):
    kind = {} if backoff is None else {"backoff": backoff}
    id_ = site.start("failing", {"retries": {"limit": 3, "delay": 20, **kind}})
    failed = site.events("failing", id_, "attempt_errored")
    assert [each.get("retryDelayMs") for each in failed] == [*delays, None]


def test_a9_a_function_of_the_attempt_and_its_error_says_how_long_to_wait(site: Site):
    id_ = site.start("paced", "grows")
    failed = site.events("paced", id_, "attempt_errored")
    assert [each.get("retryDelayMs") for each in failed] == [10 * 1, 20 * 2, 30 * 4, None]
    assert site.end("paced", id_)["output"] == "ConnectionError: refused"


@pytest.mark.parametrize("how", ["raises", "nonsense"])
def test_a9_a_delay_function_that_gives_no_duration_ends_the_step(site: Site, how: str):
    over = site.run("paced", how)
    assert over["output"].startswith('NonRetryableError: The delay function for step "try-1" ')
    assert len(step(over, "try-1")["attempts"]) == 1


def test_a9_a_delay_function_has_five_seconds(site: Site):
    over = site.end("paced", "late")
    assert over["output"].startswith('NonRetryableError: The delay function for step "try-1" ')
    assert "5 seconds" in over["output"]


def test_a10_an_attempt_over_its_timeout_is_cancelled_and_counts(site: Site):
    over = site.run("slow", id_="dawdler")
    assert over["output"] == "Execution timed out after 50ms"
    attempts = step(over, "dawdle-1")["attempts"]
    assert [each["error"]["name"] for each in attempts] == ["WorkflowTimeoutError"] * 3
    assert site.effects("dawdler") == ["is cancelled"] * 3
    assert site.output("configured", {"options": [{}]})[0]["timeout"] == 10 * MINUTE_MS


def test_a11_an_error_that_is_not_to_be_retried_stops_at_once_and_can_be_caught(site: Site):
    assert site.output("final", "catch", "caught") == "NonRetryableError: sold out"
    failed = site.run("final", "raise", "raised")
    assert failed["status"] == "errored"
    assert (failed["error"]["name"], failed["error"]["message"]) == ("NonRetryableError", "sold out")
    assert site.effects("caught") == site.effects("raised") == ["tries"]


def test_a12_unknown_and_ill_typed_settings_are_refused_with_the_name_of_the_step(site: Site):
    wrong: list[dict[str, object]] = [
        {"config": {"retrys": {}}},
        {"config": {"retries": {"limit": 1, "delay": 1, "jitter": True}}},
        {"retries": {"limit": 1}},
        {"retries": {"delay": 1}},
        {"retries": {"limit": "three", "delay": 1}},
        {"retries": {"limit": -1, "delay": 1}},
        {"retries": {"limit": 1, "delay": "soon"}},
        {"retries": {"limit": 1, "delay": 1, "backoff": "random"}},
        {"timeout": 0},
        {"timeout": True},
        {"sensitive": "input"},
        {"rollback_config": {}},
        {"at_most_once": "yes"},
    ]
    refused = refusals(site, *(["do", ["charge"], options] for options in wrong))
    assert [each.partition(": step 'charge': ")[0] for each in refused] == ["InvalidInput"] * len(wrong)
    (unknown,) = refusals(site, ["do", ["charge"], {"timeouts": 1}])
    assert unknown.startswith("TypeError: step 'charge': there is no option 'timeouts'")


def test_a13_a_step_is_told_its_name_its_visit_and_its_attempt(site: Site):
    assert site.output("seen") == [["look", 1, 1], ["look", 2, 2]]
    assert site.output("configured", {"options": [{}]}) == [
        {"retries": {"limit": 5, "delay": 10_000, "backoff": "exponential"}, "timeout": 10 * MINUTE_MS}
    ]


def test_a14_a_step_is_called_by_256_characters_without_control_characters(site: Site):
    names = ["x" * 256, "Grüße an 世界", "x" * 257, "", "a\nb", "a\x00b", 7]
    told = refusals(site, *(["do", [name], {}] for name in names))
    assert told[:2] == ["taken", "taken"]
    assert all(each.startswith("InvalidInput: a step name is 1-256 characters") for each in told[2:])


def test_a15_steps_of_one_name_are_told_apart_by_their_visit(site: Site):
    over = site.run("repeated")
    assert over["output"] == [0, 1, 2]
    assert [(each["name"], each["output"]) for each in over["steps"]] == [
        ("same-1", 0),
        ("same-2", 1),
        ("same-3", 2),
    ]


def test_a16_steps_run_side_by_side_and_a_race_has_the_same_winner_on_a_replay(replayed: Site):
    assert replayed.look("parallel", "race")["output"] == ["met", "met"]
    assert replayed.effects("race") == ["['met', 'met'] True False"] * 2


def test_a17_a_sleep_is_as_long_as_it_says_and_365_days_at_the_most(site: Site):
    id_ = site.start("sleeps")
    wait_for(lambda: len(site.look("sleeps", id_)["steps"]) == 4, "the last sleep")
    shown = site.until("waiting", "sleeps", id_)
    took = [lasts_ms(each) for each in shown["steps"]]
    assert 150 <= took[0] < took[1]
    assert took[1] >= 1_000
    assert 150 <= took[2] < took[1]
    assert (took[3], shown["steps"][3]["finished"]) == (365 * 24 * 60 * MINUTE_MS, False)
    site.steer("sleeps", id_, "terminate")
    asked = [["sleep", ["nap", duration], {}] for duration in ("366 days", -1, "a while", None)]
    refused = refusals(site, *asked)
    assert all(each.startswith("InvalidInput: step 'nap': ") for each in refused)


def test_a18_a_sleep_ends_at_a_date(site: Site):
    over = site.run("sleeps-until")
    soon = moment(over["queued"]) + timedelta(milliseconds=300)
    ends = [moment(each["end"]) for each in over["steps"]]
    for end, later_ms in zip(ends, (0, 100, 200), strict=False):
        assert end >= soon + timedelta(milliseconds=later_ms)
    assert lasts_ms(step(over, "past-1")) < 1_000
    assert over["output"] == "awake"
    refused = refusals(site, *(["sleep_until", ["later", at], {}] for at in (9e15, "tomorrow", None)))
    assert all(each.startswith("InvalidInput: step 'later': ") for each in refused)


def test_a19_a_duration_is_a_number_of_milliseconds_or_of_units(site: Site):
    units = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800, "month": 2_592_000}
    said = [*(f"1 {unit}" for unit in units), *(f"3 {unit}s" for unit in units), "1 year", "1.5 hours", 250]
    seen = site.output("configured", {"options": [{"timeout": each} for each in said]})
    wanted = [*units.values(), *(3 * each for each in units.values()), 31_536_000, 5_400]
    assert [each["timeout"] for each in seen] == [*(1_000 * each for each in wanted), 250]
    wrong: list[Any] = ["", "1", "second", "1 fortnight", "-1 day", []]
    told = refusals(site, *(["do", ["x"], {"timeout": each}] for each in wrong))
    assert all(each.startswith("InvalidInput: step 'x': timeout: ") for each in told)


def test_a20_an_event_is_waited_for_and_brings_its_payload(site: Site):
    id_ = site.start("waits")
    waits = site.until("waiting", "waits", id_)
    assert lasts_ms(step(waits, "for a day-1")) == 24 * 60 * MINUTE_MS, "unless it is told"
    site.send("waits", id_, "news", {"number": 1})
    site.send("waits", id_, "news", None)
    over = site.end("waits", id_)
    assert [each[:2] for each in over["output"]] == [["news", {"number": 1}], ["news", None]]
    assert moment(over["queued"]) <= moment(over["output"][0][2]) <= moment(over["end"])
    wrong: list[list[object]] = [["not a type"], ["y" * 101], ["y", 999], ["y", "366 days"]]
    told = refusals(site, *(["wait_for_event", ["x", *each], {}] for each in wrong))
    assert all(each.startswith("InvalidInput: ") for each in told)


def test_a21_events_that_come_early_are_kept_first_in_first_out_by_type(site: Site):
    id_ = site.start("buffers")
    for type_, payload in (("a", 1), ("b", 2), ("a", 3), ("b", 4), ("open", None)):
        site.send("buffers", id_, type_, payload)
    site.until("waiting", "buffers", id_)
    for payload in (5, 6):
        site.send("buffers", id_, "c", payload)
    assert site.end("buffers", id_)["output"] == [2, 1, 3, 4, 5, 6], "and first asked, first served"


def test_a22_a_wait_that_took_too_long_can_be_caught_and_is_over_for_good(replayed: Site):
    over = replayed.look("gives-up", "impatient")
    assert over["output"] == "too late", "what came then is for the next wait"
    assert replayed.effects("impatient") == ["Execution timed out after 1000ms"] * 2
    assert step(over, "too long-1")["error"]["name"] == "WorkflowTimeoutError"


def refusals(site: Site, *asked: list[Any]) -> list[str]:
    """Have workflow code ask for steps, and give what it was told."""
    told: list[str] = site.output("strict", {"asked": asked})
    return told

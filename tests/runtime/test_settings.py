"""How a step is to be made: what `ctx.do` takes beside the function."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.runtime.stage import number, play
from wflow.engine.facts import Failed, Opened, Settled
from wflow.engine.retry import DEFAULT, Retry
from wflow.errors import InvalidInput
from wflow.runtime.settings import PLAIN, settings


def test_a_step_without_options_has_the_defaults():
    assert settings("charge", {}) is PLAIN
    assert PLAIN.step("charge").retry == DEFAULT
    assert PLAIN.undoing(None) is None


@pytest.mark.parametrize("form", ["beside", "config"])
def test_the_options_may_be_given_by_name_or_as_cloudflares_config(form):
    given = {
        "retries": {"limit": 2, "delay": "5 seconds", "backoff": "linear"},
        "timeout": timedelta(minutes=1),
        "sensitive": "output",
    }
    read = settings("charge", given if form == "beside" else {"config": given})
    assert read.retry == Retry(2, 5_000, "linear", 60_000)
    step = read.step("charge")
    assert step.sensitive
    assert not step.dynamic
    assert not step.undoable
    assert not step.at_most_once


def test_the_other_options_go_beside_a_config():
    read = settings("charge", {"config": {"timeout": 1}, "rollback": number_back, "at_most_once": True})
    step = read.step("charge")
    assert step.undoable
    assert step.at_most_once
    assert step.retry == Retry(0, timeout_ms=1), "no retries unless they are asked for"


def test_a_rollback_is_given_what_the_step_gives():
    read = settings("charge", {"rollback": number_back})
    plain, typed = read.undoing(None), read.undoing(int)
    assert plain is not None
    assert typed is not None
    assert (plain.returns, typed.returns) == (None, int)
    assert (plain.function, plain.wanted) == (typed.function, typed.wanted) == (number_back, ("output",))


def number_back(output):
    pass


def test_none_is_an_option_that_was_not_given():
    options = dict.fromkeys(["retries", "timeout", "config", "rollback", "rollback_config", "sensitive"])
    assert settings("charge", options) == PLAIN


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"config": 5}, "step 'charge': config must be a dict, not 5"),
        ({"config": {"retry": {}}}, "config has no key 'retry'; it takes retries, timeout and sensitive"),
        ({"config": {"timeout": 1}, "timeout": 1}, "in config or beside it, not both"),
        ({"config": {"timeout": 1}, "sensitive": "output"}, "in config or beside it, not both"),
        ({"sensitive": True}, "sensitive must be 'output', not True"),
        ({"config": {"sensitive": "input"}}, "sensitive must be 'output', not 'input'"),
        ({"at_most_once": None}, "at_most_once is True or False, not None"),
        ({"retries": 3}, "retries must be a dict with limit, delay and backoff, not 3"),
        ({"retries": {"limit": 1}}, "retries needs 'delay'"),
        ({"retries": {"delay": print}}, "retries needs 'limit'"),
    ],
)
def test_wrong_options_are_refused_with_the_step_and_the_key(options, told):
    with pytest.raises(InvalidInput) as caught:
        settings("charge", options)
    assert told in caught.value.message
    assert "'charge'" in caught.value.message


def test_an_unknown_option_is_a_type_error_that_lists_those_there_are():
    with pytest.raises(TypeError, match="there is no option 'retry'; there are retries, timeout, config"):
        settings("charge", {"retry": {}})


# -- in a workflow -----------------------------------------------------------------------------------------


def test_a_sensitive_value_comes_back_and_its_step_says_that_it_is_not_to_be_shown():
    async def run(event, ctx):
        return [await ctx.do("key", number, 7, sensitive="output"), await ctx.do("other", number, 8)]

    played = play(run, crash_after={1})
    assert played.result == [7, 8]
    details = [fact.detail for fact in played.facts if isinstance(fact, Settled)]
    assert details[0] == {"sensitive": "output"}


def test_what_a_steps_first_start_said_holds_for_its_life_and_its_context_shows_that():
    shown = []

    async def fail(ctx):
        shown.append(ctx.config)
        raise ValueError("no")

    async def before(event, ctx):
        retries = {"limit": 2, "delay": 1, "backoff": "constant"}
        await ctx.do("charge", fail, retries=retries, timeout=50_000, sensitive="output")

    async def after(event, ctx):
        await ctx.do("charge", fail, retries={"limit": 9, "delay": 0}, timeout=1)

    async def until_failed(stage):
        await stage.until(lambda: any(isinstance(fact, Failed) for fact in stage.facts))
        stage._over.set_result(None)

    begun = play(before, until_failed)
    played = play(after, journal=begun.stage.journal)
    config = {"retries": {"limit": 2, "delay": 1, "backoff": "constant"}, "timeout": 50_000}
    assert len(shown) >= 3, "the second attempt may have begun before it was left"
    assert all(each == config for each in shown)
    (opened,) = (fact for fact in played.facts if isinstance(fact, Opened))
    assert opened.detail == {**config, "sensitive": "output"}

"""Decorated steps: what their parameters are filled with, how often they run, and what is refused."""

from __future__ import annotations

import asyncio
import functools
import operator
import threading

import pytest

from tests.runtime.stage import play
from wflow.errors import InvalidInput, WorkflowTimeoutError


async def cheap():
    return 1


# -- names -----------------------------------------------------------------------------------------------


def test_a_step_bears_the_name_it_is_given_or_else_the_functions():
    async def run(event, step):
        @step.do()
        async def weigh():
            return 3

        @step.do("pack the parcel")
        async def pack():
            return "packed"

        assert (weigh.__name__, weigh.name, pack.name) == ("weigh", "weigh", "pack the parcel")
        return [await weigh(), await pack()]

    played = play(run)
    assert played.result == [3, "packed"]
    assert played.settled == ["weigh-1", "pack the parcel-1"]


def test_decorating_alone_runs_nothing():
    async def run(event, step):
        @step.do()
        async def never():
            raise AssertionError

        return 1

    played = play(run)
    assert (played.result, played.settled) == (1, [])


def test_calling_it_again_is_another_visit():
    counted = iter("abc")

    async def run(event, step):
        @step.do("draw")
        def draw():
            return next(counted)

        return [await draw(), await draw(), await draw()]

    played = play(run)
    assert played.result == ["a", "b", "c"]
    assert played.settled == ["draw-1", "draw-2", "draw-3"]


def test_a_loop_may_decorate_the_same_name_again_and_again():
    async def run(event, step):
        found = []
        for number in range(3):

            @step.do("square")
            def square(ctx):
                return [number * number, ctx.step.count]  # noqa: B023 - it runs before the next round

            found.append(await square())

        @step.do()
        async def last(square):
            return square

        by_partial = step.do("power")(functools.partial(operator.pow, 2, 5))
        return [found, await last(), await by_partial()]

    assert play(run).result == [[[0, 1], [1, 2], [4, 3]], [4, 3], 32]


def test_a_plain_function_runs_in_a_thread():
    main = threading.get_ident()

    async def run(event, step):
        @step.do()
        def where():
            return threading.get_ident()

        return await where()

    assert play(run).result != main


# -- dependencies ----------------------------------------------------------------------------------------


def test_parameters_are_filled_with_the_results_of_the_steps_they_name():
    async def run(event, step):
        @step.do()
        async def weight():
            return 3

        @step.do("price")
        async def look_up_the_price():
            return 7

        @step.do()
        async def total(price, ctx, weight):
            return [ctx.step.name, price, weight]

        return await total()

    played = play(run)
    assert played.result == ["total", 7, 3]
    assert played.settled == ["price-1", "weight-1", "total-1"]


def test_dependencies_run_one_after_another_and_side_by_side_when_concurrent():
    async def run(event, step):
        running, most = 0, 0

        async def body():
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.005)
            running -= 1
            return most

        one = step.do("one")(body)
        two = step.do("two")(body)

        @step.do(depends=[one, two], concurrent=event.payload["concurrent"])
        async def both(first, second):
            return [first, second]

        return await both()

    assert play(run, params={"concurrent": False}).result == [1, 1]
    assert play(run, params={"concurrent": True}).result == [2, 2]


def test_a_dependency_runs_once_however_many_ask_for_it():
    ran = []

    async def run(event, step):
        @step.do()
        async def root():
            ran.append("root")
            await asyncio.sleep(0.001)
            return 1

        @step.do()
        async def stem(root):
            ran.append("stem")
            return root + 1

        @step.do()
        async def left(stem, root):
            return stem + root

        @step.do()
        async def right(stem):
            return stem * 10

        @step.do(concurrent=True)
        async def crown(left, right):
            return [left, right]

        return [await crown(), await left()]

    played = play(run)
    assert played.result == [[3, 20], 3]
    assert ran == ["root", "stem"]
    assert [key for key in played.settled if key.startswith("left")] == ["left-1", "left-2"]


def test_a_step_under_way_is_waited_for_and_not_run_twice():
    async def run(event, step):
        @step.do()
        async def slow():
            await asyncio.sleep(0.005)
            return 2

        @step.do()
        async def double(slow):
            return slow * 2

        return await asyncio.gather(slow(), double())

    played = play(run)
    assert played.result == [2, 4]
    assert played.settled == ["slow-1", "double-1"]


def test_a_dependency_gives_its_latest_result():
    numbers = iter((1, 2))

    async def run(event, step):
        @step.do()
        async def draw():
            return next(numbers)

        @step.do()
        async def keep(draw):
            return draw

        await draw()
        await draw()
        return await keep()

    assert play(run).result == 2


def test_depends_lists_steps_whose_results_go_to_the_parameters_by_their_place():
    async def run(event, step):
        @step.do("first step")
        async def one():
            return 1

        @step.do("second step")
        async def two():
            return 2

        @step.do("sum", depends=[two, one], concurrent=True)
        async def add(a=None, ctx=None, b=None):
            return [a, b, ctx.attempt]

        @step.do("by place", [one], True, {"retries": {"limit": 0, "delay": 0}})
        async def by_place(*, only):
            return only

        return [await add(), await by_place()]

    assert play(run).result == [[2, 1, 1], 1]


def test_a_step_may_be_decorated_after_the_one_that_names_it():
    async def run(event, step):
        @step.do()
        async def later(sooner):
            return sooner

        @step.do()
        async def sooner():
            return "x"

        return await later()

    assert play(run).result == "x"


def test_a_failed_dependency_fails_the_step_and_is_run_again_when_it_is_asked_for_again():
    fails = iter((True, False))

    async def run(event, step):
        @step.do(config={"retries": {"limit": 0, "delay": 0}})
        async def shaky():
            if next(fails):
                raise KeyError("lost")
            return "found"

        @step.do()
        async def report(shaky):
            return shaky

        with pytest.raises(KeyError, match="lost"):
            await report()
        return await report()

    played = play(run)
    assert played.result == "found"
    assert played.settled == ["shaky-1", "shaky-2", "report-1"]


def test_all_who_wait_for_a_step_that_fails_see_its_error():
    async def run(event, step):
        @step.do(retries={"limit": 0, "delay": 0})
        async def shaky():
            await asyncio.sleep(0.001)
            raise KeyError("lost")

        @step.do()
        async def report(shaky):
            return shaky

        ended = await asyncio.gather(shaky(), report(), return_exceptions=True)
        return [repr(error) for error in ended]

    played = play(run)
    assert played.result == ["KeyError('lost')"] * 2
    assert played.settled == ["shaky-1"]


def test_who_waits_for_a_step_that_is_cancelled_runs_it():
    async def run(event, step):
        @step.do()
        async def slow():
            await asyncio.sleep(0.01)
            return 5

        @step.do()
        async def after(slow):
            return slow

        first = asyncio.ensure_future(slow())
        second = asyncio.ensure_future(after())
        await step.sleep("a moment", 1)
        first.cancel()
        return await second

    played = play(run)
    assert played.result == 5
    assert played.settled == ["a moment-1", "slow-2", "after-1"]


def test_who_is_cancelled_while_it_waits_for_another_lets_that_one_go_on():
    async def run(event, step):
        @step.do()
        async def slow():
            await asyncio.sleep(0.01)
            return 5

        @step.do()
        async def after(slow):
            return slow

        first = asyncio.ensure_future(slow())
        second = asyncio.ensure_future(after())
        await step.sleep("a moment", 1)
        second.cancel()
        return [await first, second.cancelled()]

    assert play(run).result == [5, True]


def test_a_body_that_changes_what_it_was_given_changes_it_for_nobody_else():
    async def run(event, step):
        @step.do()
        async def items():
            return [1]

        @step.do()
        async def more(items):
            items.append(2)
            return items

        @step.do()
        async def all_of(items, more):
            return [items, more]

        return await all_of()

    assert play(run).result == [[1], [1, 2]]


@pytest.mark.parametrize("crash_after", range(6))
def test_a_crash_changes_nothing(crash_after):
    ran = []

    async def run(event, step):
        @step.do()
        async def a():
            ran.append("a")
            return {"n": [1]}

        @step.do()
        async def b(a):
            ran.append("b")
            a["n"].append(2)
            return a

        @step.do()
        async def c(a):
            ran.append("c")
            return a

        @step.do(concurrent=True)
        async def d(b, c):
            return [b, c]

        return await d()

    played = play(run, crash_after={crash_after})
    assert played.result == [{"n": [1, 2]}, {"n": [1]}]
    assert sorted(played.settled) == ["a-1", "b-1", "c-1", "d-1"]
    assert ran[0] == "a"
    assert sorted(set(ran)) == ["a", "b", "c"]


# -- settings --------------------------------------------------------------------------------------------


def test_config_says_how_often_and_how_long():
    attempts = []

    async def run(event, step):
        @step.do(config={"retries": {"limit": 2, "delay": 0, "backoff": "constant"}, "timeout": 5})
        async def hang(ctx):
            attempts.append(ctx.attempt)
            await asyncio.sleep(60)

        try:
            await hang()
        except WorkflowTimeoutError as late:
            return [attempts, str(late)]

    assert play(run).result == [[1, 2, 3], "Execution timed out after 5ms"]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"retry": {}}, "step 'charge': config has no key 'retry'; it takes retries, timeout and sensitive"),
        ({"sensitive": "input"}, "step 'charge': sensitive must be 'output', not 'input'"),
        ({"retries": {"limits": 1}}, "step 'charge': retries has no key 'limits'; it takes limit, delay"),
        ({"timeout": "soon"}, "step 'charge': timeout: 'soon' is no duration"),
        ("fast", "step 'charge': config must be a dict, not 'fast'"),
    ],
)
@pytest.mark.parametrize("form", ["call", "decorator", "unnamed"])
def test_wrong_settings_are_refused_with_the_steps_name(form, config, told):
    async def run(event, step):
        async def charge():
            return 1

        ways = {
            "call": lambda: step.do("charge", charge, config=config),
            "decorator": lambda: step.do("charge", config=config)(charge),
            "unnamed": lambda: step.do(config=config)(charge),
        }
        with pytest.raises(InvalidInput) as caught:
            ways[form]()
        return caught.value.message

    assert play(run).result.startswith(told)


def test_settings_are_given_in_one_way():
    async def run(event, step):
        step.do("charge", retries={"limit": 1, "delay": 0}, config={"timeout": 1})(cheap)

    assert "give retries, timeout and sensitive in config or beside it, not both" in play(run).failure.message


# -- wrong uses ------------------------------------------------------------------------------------------


def refusal(wrong):
    """Give what `wrong(step)` fails with, a step called `fetch user` being there."""

    async def run(event, step):
        @step.do("fetch user")
        async def fetch_user():
            return 1

        made = wrong(step, fetch_user)
        if made is not None:
            await made

    failure = play(run).failure
    return failure.name, failure.message


def unknown(step, _):
    async def charge(amount):
        return amount

    return step.do()(charge)()


def by_function_name(step, _):
    async def charge(fetch_user):
        return fetch_user

    return step.do()(charge)()


def too_few(step, fetch_user):
    async def charge(a, b, ctx):
        return [a, b, ctx]

    return step.do(depends=[fetch_user])(charge)()


def of_itself(step, _):
    async def charge(charge):
        return charge

    return step.do()(charge)()


def in_a_circle(step, _):
    async def hen(nest):
        return nest

    async def nest(egg):
        return egg

    async def egg(hen):
        return hen

    first, *_rest = [step.do()(each) for each in (hen, nest, egg)]
    return first()


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (unknown, "Received unexpected parameter amount: step 'charge' can take the result"),
        (by_function_name, "Received unexpected parameter fetch_user: step 'charge' can"),
        (by_function_name, "that fetch_user() makes is called 'fetch user', so list it in `depends="),
        (too_few, "Step declares 2 non-ctx parameter(s) but 'depends' has 1 item(s)"),
        (of_itself, "steps depend on each other: charge -> charge"),
        (in_a_circle, "steps depend on each other: hen -> nest -> egg -> hen"),
        (lambda _step, fetch_user: fetch_user(5), "step 'fetch user' takes no arguments: its parameters are"),
        (lambda _step, fetch_user: fetch_user(id=5), "`ctx.do('fetch user', function, ...)`"),
        (lambda step, _: step.do("charge"), "step 'charge' has no function: write `ctx.do('charge', fu"),
        (lambda step, _: step.do(), "step 'name' has no function"),
    ],
)  # fmt: skip
def test_a_wrong_use_is_a_type_error_that_says_what_to_do(wrong, told):
    name, message = refusal(wrong)
    assert name == "TypeError"
    assert told in message


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda step, _: step.do(cheap), '`@ctx.do()` or `@ctx.do("name")`, with the parentheses'),
        (lambda step, _: step.do()(5), "`@ctx.do(...)` decorates a function, not 5"),
        (lambda step, fetch: step.do()(fetch), "decorates a function, not <step 'fetch user'>"),
        (lambda step, _: step.do()(functools.partial(cheap)), "a step name is 1-256 characters"),
        (lambda step, _: step.do("x" * 257), "a step name is 1-256 characters"),
        (lambda step, _: step.do("a", depends="fetch user"), "is a list of steps, not 'fetch user'"),
        (lambda step, _: step.do("a", depends=["fetch user"]), "lists decorated steps, not 'fetch user'"),
        (lambda step, _: step.do("a", cheap, depends=[]), "depends and concurrent are for a decorated step"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_refused(wrong, told):
    name, message = refusal(wrong)
    assert name == "InvalidInput"
    assert told in message


def test_a_decorated_step_inside_a_step_is_refused():
    async def run(event, step):
        @step.do()
        async def inner():
            return 1

        @step.do()
        async def outer():
            return await inner()

        await outer()

    assert "steps do not nest" in play(run).failure.message

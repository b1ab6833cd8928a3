"""Where steps are asked for, as the journal tells it."""

from __future__ import annotations

import asyncio
import linecache
import sys
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from tests.runtime.stage import number, play
from wflow.bindings.workflow import WorkflowBinding
from wflow.engine import values
from wflow.engine.causes import GONE, MOVED, SAME
from wflow.engine.divergence import SITE_CHARS
from wflow.engine.facts import Opened, Settled
from wflow.runtime import site

if TYPE_CHECKING:
    from pathlib import Path


def sites(run, **options) -> dict[str, str]:
    """Play a workflow, and give the site of each step by its key."""
    told: dict[str, str] = {}
    for fact in play(run, **options).facts:
        if isinstance(fact, (Opened, Settled)):
            told.setdefault(fact.key, fact.site)
    return told


def texts(run, **options) -> dict[str, str]:
    """As `sites`, without the file and the number of the line."""
    return {key: found.partition(" ")[2] for key, found in sites(run, **options).items()}


def test_a_site_is_the_file_the_line_and_what_is_written_there():
    async def run(event, ctx):
        await ctx.do("charge", number, 1)

    found = sites(run)["charge-1"]
    line = run.__code__.co_firstlineno + 1
    assert found == f'tests/runtime/test_site.py:{line} await ctx.do("charge", number, 1)'


def test_every_kind_of_step_has_the_line_that_asks_for_it():
    async def run(event, ctx):
        await ctx.sleep("nap", 1)
        await ctx.sleep_until("until", 0)
        await ctx.poll("poll", bool, 1, every=1_000)
        await ctx.map(number, [1, 2], name="each")
        await asyncio.sleep(0.001)
        await ctx.wait_for_event("wait", "paid")

    async def script(stage):
        stage.send("paid", 1)
        await stage.end()

    assert texts(run, script=script) == {
        "nap-1": 'await ctx.sleep("nap", 1)',
        "until-1": 'await ctx.sleep_until("until", 0)',
        "poll-1": 'await ctx.poll("poll", bool, 1, every=1_000)',
        "each-1": 'await ctx.map(number, [1, 2], name="each")',
        "each-2": 'await ctx.map(number, [1, 2], name="each")',
        "asyncio timer-1": "await asyncio.sleep(0.001)",
        "wait-1": 'await ctx.wait_for_event("wait", "paid")',
    }


def test_steps_that_run_side_by_side_have_the_lines_that_made_them():
    async def run(event, ctx):
        nap = ctx.sleep("nap", 1)
        late = ctx.sleep_until("late", 0)
        await asyncio.gather(nap, late, ctx.do("do", number, 1))

    assert texts(run) == {
        "nap-1": 'nap = ctx.sleep("nap", 1)',
        "late-1": 'late = ctx.sleep_until("late", 0)',
        "do-1": 'await asyncio.gather(nap, late, ctx.do("do", number, 1))',
    }


def test_a_decorated_step_and_what_it_pulls_have_the_line_that_calls_it():
    async def run(event, ctx):
        @ctx.do("first")
        async def first():
            return 1

        @ctx.do("second")
        async def second(first):
            return first + 1

        return await second()

    assert texts(run) == {"first-1": "return await second()", "second-1": "return await second()"}


def test_the_steps_of_a_call_have_the_line_that_calls():
    async def send(method, arguments):
        return None

    async def run(event, ctx):
        child = WorkflowBinding(send)
        await ctx.call(child, name="child")

    async def script(stage):
        await stage.until(lambda: stage.journal and "child-1" in {getattr(f, "key", "") for f in stage.facts})
        created: Any = next(fact for fact in stage.facts if isinstance(fact, Settled)).outcome
        child: Any = values.decode(created.value)
        stage.send(child["awaited"], None)
        await stage.until(lambda: stage.change is not None and not hasattr(stage.change, "wake_at"))

    assert set(texts(run, script=script).values()) == {'await ctx.call(child, name="child")'}


def test_a_timeout_of_asyncio_has_the_line_that_sets_it_and_a_lone_task_none():
    async def run(event, ctx):
        async with asyncio.timeout(0.001):
            await asyncio.gather(asyncio.sleep(60), return_exceptions=True)

    async def caught(event, ctx):
        try:
            await run(event, ctx)
        except TimeoutError:
            await ctx.do("late", number, 1)

    assert texts(caught)["asyncio timer-1"] == "async with asyncio.timeout(0.001):"
    assert texts(caught)["late-1"] == 'await ctx.do("late", number, 1)'

    async def lone(event, ctx):
        await asyncio.gather(asyncio.sleep(0.001))

    assert texts(lone) == {"asyncio timer-1": ""}, "nobody's code is on the stack"


def test_a_call_on_several_lines_is_shown_on_one():
    async def run(event, ctx):
        await ctx.do(
            "charge",
            number,
            1,
        )

    assert texts(run) == {"charge-1": 'await ctx.do("charge", number, 1)'}


def test_a_long_line_is_cut():
    async def run(event, ctx):
        await ctx.do(
            "a" * 20, number, 1 if "a rather long line that goes on and on and on" else 2, returns=object
        )

    (found,) = sites(run).values()
    assert len(found) == SITE_CHARS
    assert found.endswith('goes on and on and on" else ')


def test_one_text_is_shared_by_all_that_a_line_asks_for():
    def ask():
        return site.here(depth=0)

    first, second = [ask() for _ in range(2)]
    assert first is second
    assert "return site.here(depth=0)" in first


def test_no_more_places_are_remembered_than_a_number(monkeypatch):
    monkeypatch.setattr(site, "PLACES", 3)
    made: list[str] = []
    for line in range(5):
        names: dict[str, object] = {"here": partial(site.here, depth=0), "made": made}
        exec("\n" * line + "def ask(): made.append(here())\nask()", names)  # noqa: S102 - code that makes code
        assert len(site._places) <= 3
    assert [found.partition(" ")[0] for found in made] == [f"<string>:{line}" for line in range(1, 6)]


# -- whose file it is ---------------------------------------------------------------------------------------


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project's folder, from which files are seen; whoever asks in it is `ask`."""
    monkeypatch.setattr(site, "_roots", [])
    site.seen_from(tmp_path)

    def ask(file: Path, text: str = "here()\n") -> str:
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text)
        told: list[str] = []
        names = {"here": lambda: told.append(site.here(depth=1))}
        exec(compile(text, str(file), "exec"), names)  # noqa: S102 - as an import does
        linecache.clearcache()
        return told[0]

    yield SimpleNamespace(root=tmp_path, ask=ask)
    site._places.clear()


def test_a_file_of_the_project_is_called_as_the_project_calls_it(project):
    assert project.ask(project.root / "src" / "worker.py") == "src/worker.py:1 here()"


def test_a_file_of_elsewhere_is_called_as_whoever_imports_it_does(project, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    assert project.ask(elsewhere / "lib" / "tools.py") == "tools.py:1 here()"
    monkeypatch.setattr(sys, "path", [str(elsewhere), *sys.path])
    assert project.ask(elsewhere / "lib" / "other.py") == "lib/other.py:1 here()"


def test_a_line_that_cannot_be_read_is_told_by_its_number():
    names: dict[str, object] = {"told": [], "here": site.here}
    exec("told.append((lambda: here(depth=0))())", names)  # noqa: S102 - code that makes code
    assert names["told"] == ["<string>:1"]


@pytest.mark.parametrize(
    ("now", "standing"),
    [
        ("x = 1\nhere()\n", SAME),
        ("here()\n", MOVED),
        ("x = 1\n\n    here()\n", MOVED),
        ("x = 1\nthere()\n", GONE),
        ("x = 1\nhere\n", GONE),
    ],
)
def test_it_is_known_where_a_recorded_line_is_now(project, now, standing):
    file = project.root / "worker.py"
    asked = project.ask(file, "x = 1\nhere()\n")
    assert asked == "worker.py:2 here()"
    file.write_text(now)
    assert site.standing(asked) == standing


def test_a_recorded_call_of_several_lines_is_found_however_long_it_is(project):
    call = "here(\n    *()\n)\n"
    names = "\n".join(f"    # {number}" for number in range(3))
    file = project.root / "worker.py"
    file.write_text(f"def run():\n{names}\n    here(\n        *()\n    )\n")
    assert project.ask(project.root / "other.py", call) == "other.py:1 here(*())"
    assert site.standing("worker.py:1 here(*())") == MOVED
    assert site.standing("worker.py:5 here(*()") == SAME, "it was cut"


@pytest.mark.parametrize("unknown", ["", "no site", "gone.py:3 here()", "gone.py:3 "])
def test_of_what_is_no_line_of_a_file_nothing_is_known(project, unknown):
    assert site.standing(unknown) is None

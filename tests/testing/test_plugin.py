"""The plugin in a pytest of its own: which project it finds, what it runs, what a failure looks like."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

# What is there already stays there: pytester lets go of what a run in this process has imported, and a second
# copy of a module would not know of the first.
from wflow.testing import crashes, deterministic, running

if TYPE_CHECKING:
    from pathlib import Path

pytest_plugins = ["pytester"]
LOADED = (crashes, deterministic, running)

CONFIG = """
name = "shop"
main = "src/{main}.py"

[[workflows]]
name = "shop"
binding = "SHOP"
class_name = "Shop"

[vars]
WORD = "hello"

[env.loud]
vars = {{ WORD = "HELLO" }}
workflows = [{{ name = "shop-loud", binding = "SHOP", class_name = "Shop" }}]
"""
CODE = """
from wflow import WorkflowEntrypoint
from words import said

class Shop(WorkflowEntrypoint):
    async def run(self, event, ctx):
        return await ctx.do("say", said, self.env.WORD)
"""
TEST = """
async def test_it(wflow):
    assert await (await wflow.env.SHOP.create()).result() == {said!r}
"""


@pytest.fixture(autouse=True)
def as_strict_as_ever(pytester: pytest.Pytester):
    pytester.makeini("[pytest]\nfilterwarnings = error\naddopts = -p no:cacheprovider --strict-markers\n")


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text), encoding="utf-8")


def shop(folder: Path, *, main: str = "worker", word: str = "world", said: str = "hello world") -> None:
    """Write a project with a test."""
    write(
        folder,
        {
            "wflow.toml": CONFIG.format(main=main),
            f"src/{main}.py": CODE,
            "src/words.py": f"def said(word):\n    return f'{{word}} {word}'\n",
            f"tests/test_{folder.name.replace('-', '_')}.py": TEST.format(said=said),
        },
    )


def test_the_project_is_the_one_that_the_test_lies_in(pytester: pytest.Pytester):
    shop(pytester.path / "one")
    pytester.runpytest_inprocess("one/tests").assert_outcomes(passed=1)


def test_two_projects_with_modules_of_the_same_names_are_told_apart(pytester: pytest.Pytester):
    shop(pytester.path / "one")
    shop(pytester.path / "two", word="moon", said="hello moon")
    before = list(sys.path)
    pytester.runpytest_inprocess("one", "two").assert_outcomes(passed=2)
    assert sys.path == before


def test_a_marker_or_the_configuration_names_a_project_and_an_environment(pytester: pytest.Pytester):
    shop(pytester.path / "one")
    shop(pytester.path / "two", word="moon")
    write(
        pytester.path,
        {
            "test_a.py": """
            import pytest

            @pytest.mark.wflow(project="one", environment="loud")
            async def test_marked(wflow):
                assert await (await wflow.env.SHOP.create()).result() == "HELLO world"

            async def test_configured(wflow):
                assert await (await wflow.env.SHOP.create()).result() == "hello moon"
            """
        },
    )
    with (pytester.path / "tox.ini").open("a") as ini:
        ini.write("\nwflow_project = two\n")
    pytester.runpytest_inprocess("test_a.py").assert_outcomes(passed=2)


def test_a_folder_can_name_its_project_by_a_fixture(pytester: pytest.Pytester):
    write(
        pytester.path,
        {
            "conftest.py": """
            import pytest
            from wflow import WorkflowEntrypoint
            from wflow.testing import project

            class Echo(WorkflowEntrypoint):
                async def run(self, event, ctx):
                    return event.payload

            @pytest.fixture
            def wflow_project():
                return project({"ECHO": Echo})

            @pytest.fixture
            async def instance(wflow):
                return await wflow.env.ECHO.create(params=5)

            @pytest.fixture
            async def walked(wflow):
                yield (await wflow.env.ECHO.create(params=6))
                await wflow.env.ECHO.create(id="after")
            """,
            "test_a.py": """
            async def test_async_fixtures_run_on_the_same_loop(instance, walked, wflow):
                assert [await instance.result(), await walked.result()] == [5, 6]

            class TestThings:
                async def test_method(self, instance, wflow):
                    assert await instance.result() == 5
                    self.kept = wflow

                async def test_method_again(self, wflow):
                    assert not hasattr(self, "kept")
            """,
        },
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=3)


def test_async_fixtures_belong_to_their_test_and_may_use_the_fixture_by_way_of_others(
    pytester: pytest.Pytester,
):
    write(
        pytester.path,
        {
            "test_a.py": """
            import pytest
            from wflow import WorkflowEntrypoint

            class Wait(WorkflowEntrypoint):
                async def run(self, event, ctx):
                    return (await ctx.wait_for_event("wait", "go")).payload

            pytestmark = pytest.mark.wflow({"WAIT": Wait})

            @pytest.fixture
            async def waiting(wflow):
                return await wflow.env.WAIT.create()

            @pytest.fixture
            async def gone_on(waiting):
                await waiting.send_event("go", 5)
                yield waiting

            def test_of_another_fixture(gone_on, wflow):
                assert wflow.run(gone_on.result()) == 5

            class TestThings:
                @pytest.fixture(autouse=True)
                async def kept(self, wflow):
                    self.here = wflow
                    yield
                    assert self.here is wflow

                @pytest.mark.parametrize("number", [1, 2])
                async def test_that_the_object_is_the_same(self, number, gone_on, wflow):
                    assert self.here is wflow
                    assert await gone_on.result() == 5
            """,
        },
    )
    pytester.runpytest_inprocess().assert_outcomes(passed=3)


def test_a_project_that_does_not_load_fails_with_what_python_said(pytester: pytest.Pytester):
    shop(pytester.path / "one")
    (pytester.path / "one/src/words.py").write_text("1 / 0\n", encoding="utf-8")
    result = pytester.runpytest_inprocess("one")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*LoadError: src/words.py:1: ZeroDivisionError: division by zero"])


def test_where_there_is_no_project_that_is_what_is_said(pytester: pytest.Pytester):
    write(pytester.path, {"test_a.py": "async def test_it(wflow): ..."})
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*no `wflow.toml` in *"])


def test_a_marker_that_says_half_is_refused(pytester: pytest.Pytester):
    text = "import pytest\n@pytest.mark.wflow(kv=['KV'])\nasync def test_it(wflow): ..."
    write(pytester.path, {"test_a.py": text})
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the marker `wflow` takes 'kv' with workflow classes only"])


CRASHING = """
import pytest
from wflow import WorkflowEntrypoint
from wflow.testing import crash_everywhere

TILL = []

class Shop(WorkflowEntrypoint):
    async def run(self, event, ctx):
        await ctx.do("charge", self.charge)

    async def charge(self):
        TILL.append(10)

pytestmark = pytest.mark.wflow({"SHOP": Shop})

@crash_everywhere(reset=TILL.clear)
async def test_money(wflow):
    await (await wflow.env.SHOP.create()).result()
    return sum(TILL)

@crash_everywhere(effects=TILL)
async def test_calls(wflow):
    await (await wflow.env.SHOP.create()).result()

@crash_everywhere(reset=TILL.clear)
async def test_raises(wflow):
    await (await wflow.env.SHOP.create()).result()
    assert TILL == [10]
"""


def test_a_failing_schedule_is_printed_as_a_test_to_keep(pytester: pytest.Pytester):
    write(pytester.path, {"test_a.py": CRASHING})
    result = pytester.runpytest_inprocess("-rA")
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*test ends otherwise when the process dies before durable write 3 (append):",
            "  returned",
            "    without: 10",
            "    with:    20",
            '    @crash_at((3, "before"))',
            "    async def test_money(wflow): ...",
            "*it raised AssertionError: assert *",
            "*- Captured wflow call -*",
            "* runs",
        ]
    )
    result.stdout.no_fnmatch_line("*wflow/testing/crashes.py*in *")
    told = [line for line in result.outlines if line.startswith("the test ends otherwise")]
    assert len(told) == 1


def test_an_async_test_that_does_not_use_the_fixture_is_not_ours(pytester: pytest.Pytester):
    write(
        pytester.path,
        {
            "test_a.py": """
            import pytest

            @pytest.fixture(params=["asyncio"])
            def anyio_backend(request):
                return request.param

            @pytest.mark.anyio
            async def test_theirs():
                pass

            @pytest.mark.anyio
            @pytest.mark.wflow({})
            async def test_ours_though_it_is_marked(wflow):
                assert wflow.clock.auto
            """
        },
    )
    pytester.runpytest_inprocess("-p", "anyio").assert_outcomes(passed=2)


def test_the_plugin_costs_nothing_until_it_is_used():
    code = "import sys, wflow.testing.plugin; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"asyncio", "sqlite3", "msgspec", "wflow.runner", "wflow.runtime", "wflow.testing.kit"}
    assert not heavy & set(found.stdout.split())


def test_tests_of_others_load_nothing_of_wflow(pytester: pytest.Pytester):
    text = """
    import sys

    def test_what_is_loaded():
        assert not {"asyncio", "msgspec", "sqlite3", "wflow.errors", "wflow.testing.kit"} & set(sys.modules)
    """
    write(pytester.path, {"test_a.py": text, "test_b.py": text})
    pytester.runpytest_subprocess("-p", "no:anyio").assert_outcomes(passed=2)


def test_the_commands_know_nothing_of_pytest():
    code = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); sys.argv[1:] = ['--help']"
    code = f"{code}; import wflow.cli.app; wflow.cli.app.main()"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "Usage" in found.stdout
    assert not {"pytest", "_pytest", "wflow.testing"} & set(found.stdout.split())

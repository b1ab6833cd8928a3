"""The pytest plugin: the fixture `wflow`, and async tests that use it, on a loop of their own."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wflow.testing.crashes import Crashes
    from wflow.testing.kit import Kit
    from wflow.testing.under_test import UnderTest

FIXTURE = "wflow"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    parser.addini("wflow_project", "the project under test: its folder or config file, from the rootdir")
    parser.addini("wflow_environment", "the environment of its config: [env.NAME]")


def pytest_configure(config: pytest.Config) -> None:
    """Add the marker."""
    config.addinivalue_line(
        "markers",
        "wflow(workflows=None, *, project=None, environment=None, worker=None, kv=(), vars=None,"
        " limits=None): what the fixture `wflow` runs: workflow classes by their names in env, or a project.",
    )


@pytest.fixture
def wflow_project(request: pytest.FixtureRequest) -> UnderTest:
    """Find what is under test: what the marker `wflow` says, or else the project that the test lies in.

    Override it to test something else in a whole module or folder.
    """
    from wflow.testing import UnderTest, found, project

    said: dict[str, Any] = {}
    for marker in reversed(list(request.node.iter_markers(FIXTURE))):
        said |= marker.kwargs | ({"workflows": marker.args[0]} if marker.args else {})
    given = said.pop("project", None)
    environment = said.pop("environment", None) or request.config.getini("wflow_environment") or None
    if "workflows" in said:
        return project(**said)
    if said:
        raise pytest.UsageError(f"the marker `wflow` takes {min(said)!r} with workflow classes only")
    if isinstance(given, UnderTest):
        return given
    configured = request.config.getini("wflow_project")
    start = request.path.parent
    if given is not None:
        start /= given
    elif configured:
        start = request.config.rootpath / configured
    return found(start, environment=environment)


@pytest.fixture
def wflow(wflow_project: UnderTest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """Run the project under test, on an empty store: see `wflow.testing.Kit`."""
    from wflow.testing.running import alive

    with alive(wflow_project, tmp_path_factory.mktemp("wflow")) as kit:
        yield kit


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_pycollect_makeitem() -> Any:
    """Keep other plugins from running async tests that use the fixture: they have a loop of their own."""
    found = yield
    for item in found if isinstance(found, list) else ():
        if isinstance(item, pytest.Function) and _is_ours(item):
            item.obj = _as_plain(item.obj)
            # The mark says who runs an async test; it would be told that this is none.
            item.get_closest_marker = functools.partial(_but_asyncio, item.get_closest_marker)  # type: ignore[method-assign]
    return found


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object | None:
    """Run an async test that uses the fixture, as often as it is to run."""
    __tracebackhide__ = True
    test = getattr(pyfuncitem.obj, "wflow_test", pyfuncitem.obj)
    if not inspect.iscoroutinefunction(test) or FIXTURE not in pyfuncitem.funcargs:
        return None
    from wflow.testing import crashes  # not before it is needed: tests of others pay nothing

    kit = cast("Kit", pyfuncitem.funcargs[FIXTURE])
    wanted = pyfuncitem._fixtureinfo.argnames  # noqa: SLF001 - as pytest's own does
    body = functools.partial(test, **{name: pyfuncitem.funcargs[name] for name in wanted})
    plan = crashes.plan_of(test)
    if plan is None:
        kit.run(body())
    else:
        _crash(crashes.Crashes(kit, plan, body, pyfuncitem.name), pyfuncitem)
    return True


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> Any:
    """Have async fixtures that use the fixture, or others that do, run on its loop."""
    function: Any = fixturedef.func
    walks = inspect.isasyncgenfunction(function)
    if not (walks or inspect.iscoroutinefunction(function)) or not _uses(fixturedef, request):
        return (yield)
    kit = request.getfixturevalue(FIXTURE)
    if request.instance is not None and hasattr(function, "__func__"):
        function = function.__func__.__get__(request.instance)  # each test of a class has its own object
    before, fixturedef.func = fixturedef.func, (_walked if walks else _awaited)(function, kit)  # type: ignore[misc]  # pytest knows no other way
    try:
        return (yield)
    finally:
        fixturedef.func = before  # type: ignore[misc]


def _uses(fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest) -> bool:
    """Tell whether a fixture wants the fixture `wflow`, by way of others too."""
    known = request._pyfuncitem._fixtureinfo.name2fixturedefs if FIXTURE in request.fixturenames else {}  # noqa: SLF001 - what pytest itself looks at
    names = list(fixturedef.argnames)
    for name in names:
        names += [more for one in known.get(name, ()) for more in one.argnames if more not in names]
    return FIXTURE in names


def _is_ours(item: pytest.Function) -> bool:
    return inspect.iscoroutinefunction(item.obj) and FIXTURE in item.fixturenames


def _as_plain(test: Any) -> Any:
    """Make an async test look like a plain one; `pytest_pyfunc_call` finds the real one."""

    @functools.wraps(test)
    def plain(*_: Any, **__: Any) -> None:
        raise AssertionError("an async test is run by the plugin")  # pragma: no cover

    plain.wflow_test = test  # type: ignore[attr-defined]
    return plain


def _but_asyncio(closest: Callable[..., Any], name: str, default: Any = None) -> Any:
    return default if name == "asyncio" else closest(name, default)


def _awaited(function: Callable[..., Any], kit: Kit) -> Callable[..., Any]:
    @functools.wraps(function)
    def plain(**given: Any) -> Any:
        return kit.run(function(**given))

    return plain


def _walked(function: Callable[..., Any], kit: Kit) -> Callable[..., Any]:
    @functools.wraps(function)
    def plain(**given: Any) -> Iterator[Any]:
        steps = function(**given)
        yield kit.run(_next(steps))
        if kit.run(_next(steps, FIXTURE)) is not FIXTURE:
            raise RuntimeError(f"the fixture {function.__name__} yields more than once")

    return plain


async def _next(steps: Any, *default: Any) -> Any:
    return await anext(steps, *default)


def _crash(crashes: Crashes, test: pytest.Function) -> None:
    """Run a test by its plan; a schedule that fails needs no traceback, unless the test itself raised."""
    __tracebackhide__ = True
    from wflow.testing.crashes import CrashFailed

    failed: CrashFailed | None = None
    try:
        test.add_report_section("call", "wflow", crashes.all())
    except CrashFailed as error:
        if error.__cause__ is not None:
            raise
        failed = error
    if failed is not None:  # out here, so that it is told once
        pytest.fail(str(failed), pytrace=False)

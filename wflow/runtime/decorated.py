"""Steps as decorated functions: `@ctx.do("name")`, whose parameters are the results of other steps.

Called in Cloudflare's way: a decorated step takes no arguments, it pulls what it depends on. Within one pass
a dependency that has run already gives its latest result, and one that is under way is waited for; calling a
step again by itself is another visit, `name-2`.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import inspect
import weakref
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, Protocol, TypeVar, cast, overload

from wflow.engine import names
from wflow.errors import InvalidInput
from wflow.runtime import site as sites
from wflow.runtime.attempt import is_async
from wflow.runtime.step_context import NAME as CTX

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence

    from wflow.runtime.settings import Settings

T = TypeVar("T")

_UNCHANGING: Final = (type(None), bool, int, float, str, bytes)


class Begin(Protocol):
    """Begins a step; ``takes_context`` when the function has a parameter for its context."""

    def __call__(
        self,
        name: str,
        function: Callable[..., object],
        arguments: Sequence[object],
        settings: Settings,
        *,
        takes_context: bool,
        returns: object,
        site: str,
    ) -> Coroutine[Any, Any, Any]:
        """Give the coroutine that runs ``function(*arguments)`` as a step."""
        ...


class Decorated:
    """The decorated steps of one pass through the code, by name."""

    def __init__(self, begin: Begin) -> None:
        """Begin each step by ``begin``."""
        self.begin = begin
        self._steps: dict[str, DecoratedStep[Any]] = {}
        self._results: dict[str, object] = {}
        self._under_way: dict[str, asyncio.Future[object]] = {}

    def add(self, step: DecoratedStep[Any]) -> None:
        """Make a step known to those decorated after it; a name used again stands for the newer one."""
        self._steps[step.name] = step

    def find(self, name: str) -> DecoratedStep[Any] | None:
        """Find the step of that name."""
        return self._steps.get(name)

    def __iter__(self) -> Iterator[DecoratedStep[Any]]:
        return iter(self._steps.values())

    async def visit(self, step: DecoratedStep[Any], site: str) -> object:
        """Run a step once, as ``site`` asks, and let those who depend on it share the result."""
        shared = self._under_way[step.name] = asyncio.get_running_loop().create_future()
        try:
            result = await step.visit(site)
        except Exception as error:
            shared.set_exception(error)
            shared.exception()  # nobody need have waited for it
            raise
        except BaseException:
            shared.cancel()
            raise
        else:
            self._results[step.name] = result
            shared.set_result(None)
            return result
        finally:
            if self._under_way.get(step.name) is shared:
                del self._under_way[step.name]

    async def result_of(self, step: DecoratedStep[Any], site: str) -> object:
        """Give a step's latest result, for a function to do with it what it likes; run it if it has none."""
        while step.name not in self._results:
            shared = self._under_way.get(step.name)
            if shared is None:
                await self.visit(step, site)
                continue
            try:
                await asyncio.shield(shared)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                # Whoever ran it was cancelled, and we were not: then it is ours to run.
                if not shared.cancelled() or (task is not None and task.cancelling()):
                    raise
        result = self._results[step.name]
        # A body that changes what it was given must not change what the next one gets: after a crash it would
        # get something else.
        return result if isinstance(result, _UNCHANGING) else copy.deepcopy(result)

    def to_run(self, step: DecoratedStep[Any]) -> list[DecoratedStep[Any]]:
        """List what a step depends on and has no result yet."""
        return [each for each in step.dependencies() if each.name not in self._results]


class DecoratedStep(Generic[T]):
    """A function that is a step: ``await charge()`` runs it, after the steps that it depends on."""

    def __init__(
        self,
        steps: Decorated,
        function: Callable[..., object],
        name: str,
        *,
        depends: Sequence[DecoratedStep[Any]] | None,
        concurrent: bool,
        settings: Settings,
        returns: object,
    ) -> None:
        """Keep what to call; parameters are looked at when it is called, when all steps are decorated."""
        self.name = name
        # They know it as well, and are there for as long as `run` is.
        self._steps = cast("Decorated", weakref.proxy(steps))
        self._function = function
        self._depends = depends
        self._concurrent = concurrent
        self._settings = settings
        self._returns = returns
        functools.update_wrapper(self, function, updated=())

    def __call__(self, *arguments: object, **named: object) -> Coroutine[Any, Any, T]:
        """Give the coroutine that runs it. Raises TypeError for arguments: a step's come from other steps."""
        if arguments or named:
            raise TypeError(
                f"step {self.name!r} takes no arguments: its parameters are filled with the results of the "
                f"steps of those names; to pass arguments, write `ctx.do({self.name!r}, function, ...)`"
            )
        return cast("Coroutine[Any, Any, T]", self._steps.visit(self, sites.here()))

    async def visit(self, site: str) -> object:
        """Gather what it depends on, and begin it."""
        dependencies = self.dependencies()
        self._refuse_circles()
        if self._concurrent:
            given = await asyncio.gather(*(self._steps.result_of(each, site) for each in dependencies))
        else:
            given = [await self._steps.result_of(each, site) for each in dependencies]
        called, takes_context = _by_place(self._function, self._signature), CTX in self._signature
        return await self._steps.begin(
            self.name,
            called,
            given,
            self._settings,
            takes_context=takes_context,
            returns=self._returns,
            site=site,
        )

    def dependencies(self) -> list[DecoratedStep[Any]]:
        """List the steps that fill its parameters; raises TypeError for a parameter that nothing fills."""
        wanted = [name for name in self._signature if name != CTX]
        if self._depends is None:
            return [self._step_called(name) for name in wanted]
        if len(self._depends) != len(wanted):
            declared = f"Step declares {len(wanted)} non-ctx parameter(s)"
            raise TypeError(f"{declared} but 'depends' has {len(self._depends)} item(s)")
        return list(self._depends)

    @cached_property
    def _signature(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self._function).parameters

    def _step_called(self, name: str) -> DecoratedStep[Any]:
        found = self._steps.find(name)
        if found is not None:
            return found
        message = (
            f"Received unexpected parameter {name}: step {self.name!r} can take the result of a step {name!r}"
        )
        twin = next((each for each in self._steps if getattr(each, "__name__", None) == name), None)
        if twin is not None:
            message += (
                f"; the step that {name}() makes is called {twin.name!r}, so list it in `depends=[{name}]`"
            )
        else:
            message += ", and there is none"
        raise TypeError(message)

    def _refuse_circles(self) -> None:
        """Raise TypeError when it depends on itself, by whatever way: each would wait for the other."""
        seen: set[str] = set()
        start: tuple[str, ...] = (self.name,)
        left = [(each, start) for each in self._steps.to_run(self)]
        while left:
            step, way = left.pop()
            if step is self:
                raise TypeError(f"steps depend on each other: {' -> '.join((*way, self.name))}")
            if step.name not in seen:
                seen.add(step.name)
                left += [(each, (*way, step.name)) for each in self._steps.to_run(step)]

    def __repr__(self) -> str:
        """Show the name."""
        return f"<step {self.name!r}>"


class Declaration:
    """What `@ctx.do(...)` gives: it makes a step of the function below it."""

    def __init__(
        self,
        steps: Decorated,
        name: str | None,
        *,
        depends: Sequence[object] | None,
        concurrent: bool,
        settings: Callable[[str], Settings],
        returns: object = None,
    ) -> None:
        """Keep what was said of the step; ``settings`` reads how it is to be made, given its name."""
        self._steps = steps
        self._name = name if name is None else names.step_name(name)
        self._depends = _steps_of(name, depends)
        self._concurrent = concurrent
        self._settings = settings
        self._returns = returns

    @overload
    def __call__(self, function: Callable[..., Awaitable[T]]) -> DecoratedStep[T]: ...

    @overload
    def __call__(self, function: Callable[..., T]) -> DecoratedStep[T]: ...

    def __call__(self, function: Callable[..., Any]) -> DecoratedStep[Any]:
        """Make the step; raises InvalidInput for what is no function, and for one without a name."""
        name = self._name
        if not inspect.isroutine(function) and not isinstance(function, functools.partial):
            raise InvalidInput(f"`@ctx.do(...)` decorates a function, not {names.shown(function)}")
        if name is None:
            name = names.step_name(getattr(function, "__name__", None))
        step: DecoratedStep[Any] = DecoratedStep(
            self._steps,
            function,
            name,
            depends=self._depends,
            concurrent=self._concurrent,
            settings=self._settings(name),
            returns=self._returns,
        )
        self._steps.add(step)
        return step

    def __await__(self) -> NoReturn:
        """Say that a function is missing."""
        name = "name" if self._name is None else self._name
        raise TypeError(
            f"step {name!r} has no function: write `ctx.do({name!r}, function)`, "
            f"or decorate one with `@ctx.do({name!r})` and call that"
        )


def _steps_of(name: str | None, depends: Sequence[object] | None) -> list[DecoratedStep[Any]] | None:
    if depends is None:
        return None
    if not isinstance(depends, (list, tuple)):
        raise InvalidInput(f"step {name!r}: depends is a list of steps, not {names.shown(depends)}")
    for each in depends:
        if not isinstance(each, DecoratedStep):
            raise InvalidInput(f"step {name!r}: depends lists decorated steps, not {names.shown(each)}")
    return list(depends)


def _by_place(
    function: Callable[..., object], signature: Mapping[str, inspect.Parameter]
) -> Callable[..., object]:
    """Give what calls ``function`` with values in the order of its parameters, and `ctx` by its name."""
    wanted = [name for name in signature if name != CTX]
    only_named = any(each.kind is each.KEYWORD_ONLY for name, each in signature.items() if name != CTX)
    if list(signature)[: len(wanted)] == wanted and not only_named:
        return function
    if is_async(function):

        async def call(*given: object, **context: object) -> object:
            made: Any = function(**dict(zip(wanted, given, strict=True)), **context)
            return await made

        return functools.wraps(function)(call)

    def call_plain(*given: object, **context: object) -> object:
        return function(**dict(zip(wanted, given, strict=True)), **context)

    return functools.wraps(function)(call_plain)

"""`self.env`: the bindings and variables that the config declares, and nothing else."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from wflow import bindings, catalogue
from wflow.bindings import subscription
from wflow.bundle.declared import declared
from wflow.engine import values
from wflow.engine.steps.do import Do
from wflow.errors import (
    InstanceExists,
    InstanceNotFound,
    InstanceTerminated,
    InvalidInput,
    TooLarge,
    WorkflowNotFound,
    WrongMove,
)
from wflow.runtime.attempt import Body
from wflow.runtime.loop import WorkflowLoop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from wflow.bundle.manifest import Manifest

    Caller = Callable[[str, str, list[object]], Awaitable[object]]

FINAL: Final = (
    InstanceExists,
    InstanceNotFound,
    InstanceTerminated,
    InvalidInput,
    TooLarge,
    WorkflowNotFound,
    WrongMove,
)
"""What a binding refuses for good: no other attempt would be told anything else."""


class Env:
    """Attributes and items by the names in the config; any other name is an error that lists these."""

    __slots__ = ("__dict__", "_unserved")
    _unserved: Mapping[str, str]

    def __init__(
        self, held: Mapping[str, object], unserved: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Hold bindings and variables; ``unserved`` are names that the config declares in vain."""
        self.__dict__.update(held)
        self._unserved = unserved

    def __getitem__(self, name: str) -> Any:
        """Get one by name, or raise KeyError."""
        if name not in self.__dict__:
            raise KeyError(self._unknown(name))
        return self.__dict__[name]

    def __contains__(self, name: object) -> bool:
        """Tell whether it is declared."""
        return name in self.__dict__

    def __getattr__(self, name: str) -> Any:
        """Refuse a name that is not declared."""
        raise AttributeError(self._unknown(name))

    def _unknown(self, name: object) -> str:
        if isinstance(name, str) and name in self._unserved:
            return f"env has no {name!r} yet: wflow does not serve `{self._unserved[name]}`"
        known = ", ".join(sorted(self.__dict__)) or "nothing"
        return f"env has no {name!r}; the config declares {known}"


def build(manifest: Manifest, secrets: Mapping[str, str], call: Caller) -> Env:
    """Make the env of one version: stubs that call over the link, variables, and secrets over variables."""
    from wflow.runtime.service import Service  # whose modules import this one

    held: dict[str, object] = {**manifest.vars, **secrets}
    unserved = dict(manifest.unserved)
    for binding in declared(manifest):
        module = catalogue.find(bindings, binding.kind)
        if module is None:
            unserved[binding.name] = binding.kind
        else:
            stub = Service if binding.kind == "service" else module.stub
            held[binding.name] = stub(_Sending(binding.name, call))
    return Env(held, unserved)


@dataclass(frozen=True, slots=True)
class _Sending:
    """Sends the calls of the binding ``name`` over the link; in workflow code each is a step of its own."""

    name: str
    call: Caller

    def __call__(self, method: str, arguments: list[object]) -> Awaitable[object]:
        loop = asyncio.get_running_loop()
        if not isinstance(loop, WorkflowLoop):
            return self.call(self.name, method, arguments)
        if method in subscription.METHODS:
            raise InvalidInput(
                f"{self.name}: events cannot be followed in `run`, for on a replay they would be others",
                hint="follow them in a step (ctx.do), or await the instance's `result()`",
            )
        # What ends the instance whose result is asked for is no fault of the asking, and will not change.
        final = (Exception,) if method == "result" else FINAL
        body = Body(self.call, (self.name, method, arguments), final=final)
        step = Do(f"{self.name}.{method}")
        return loop.turn.step(step, body, values.digest_of((method, arguments)))

"""What every file of this folder offers: the stub that user code holds, the provider that the runner runs.

The two meet over the link: a stub's call is a method's name and a list of values, the provider's answer a
value. What a provider raises is raised by the stub. The file's name is the binding's kind.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from wflow.bindings.control import Control

Send = Callable[[str, list[object]], Awaitable[object]]
"""Calls a method of the provider with these arguments."""


class Binding(Protocol):
    """A module of this folder."""

    def stub(self, send: Send) -> object:
        """Make what user code holds as ``env.NAME``."""
        ...

    async def serve(self, control: Control, target: str, method: str, arguments: list[object]) -> object:
        """Answer a call for the resource ``target``; raises a Refused that user code sees."""
        ...

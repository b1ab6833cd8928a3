"""The runner's side of streams for tests of the runtime: pieces in a dict, as slow and full as one likes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Shelf:
    """Keeps pieces, with ``room`` for so many. ``before`` is called with each call, and may fail it."""

    def __init__(
        self, *, room: int = 10_000, before: Callable[[str, list[Any]], object] | None = None
    ) -> None:
        self.pieces: dict[tuple[str, str, int], bytes] = {}
        self.calls: list[str] = []
        self.most_at_once = 0
        self.opens: asyncio.Event | None = None
        self._room = room
        self._before = before
        self._at_once = 0

    async def __call__(self, binding: str, method: str, arguments: list[Any]) -> object:
        assert binding == ""
        self.calls.append(" ".join([method, arguments[0], *map(str, arguments[2:3])]))
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(0)
            if self._before is not None:
                self._before(method, arguments)
            if self.opens is not None:
                await self.opens.wait()
            return self._answer(method, arguments)
        finally:
            self._at_once -= 1

    def _answer(self, method: str, arguments: list[Any]) -> object:
        match method, arguments:
            case "stream.put", [step, token, number, piece]:
                if number == 0:
                    self._clear(step)
                if len(self.pieces) >= self._room:
                    return False
                self.pieces[step, token, number] = piece
                return True
            case "stream.get", [step, token, number]:
                return self.pieces[step, token, number]
            case "stream.drop", [step, token]:
                self._clear(step, token)
                return None
        raise AssertionError(method)

    def _clear(self, *which: str) -> None:
        for key in [key for key in self.pieces if key[: len(which)] == which]:
            del self.pieces[key]

    @property
    def steps(self) -> list[str]:
        """Name the steps of all streams, one by one."""
        return sorted(step for step, _ in {key[:2] for key in self.pieces})

    @property
    def sizes(self) -> list[int]:
        return [len(piece) for _, piece in sorted(self.pieces.items())]

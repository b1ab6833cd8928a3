"""Keys for what a step's attempts write, so that the same write of a later attempt is known."""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.databases.executing import Statement

REMEMBERED: Final = 100_000
"""Attempts whose calls are counted; those that called longest ago are forgotten first."""
_COUNTED: Final = 500_000
"""Calls of all these; they take some 100 MB then."""

Attempt = tuple[str, int, int]
"""The step's idempotency key, the claim's epoch, and the number of the attempt."""


class Counted:
    """How often an attempt has asked for one and the same; numbers that were given back come first."""

    __slots__ = ("_free", "_next")

    def __init__(self) -> None:
        """Begin at 1."""
        self._next = 1
        self._free: list[int] = []

    def take(self) -> int:
        """Give the next number."""
        if self._free:
            return heappop(self._free)
        self._next += 1
        return self._next - 1

    def give_back(self, number: int) -> None:
        """Take a number back."""
        heappush(self._free, number)


class Ticket(NamedTuple):
    """A call of an attempt: its key, and where it is counted."""

    key: bytes
    counted: Counted
    number: int

    def give_back(self) -> None:
        """Say that the call has done nothing: the next one that asks for the same is this one."""
        self.counted.give_back(self.number)


class Attempts:
    """Counts, for each attempt, how often it has asked for the very same.

    The nth call with these statements and parameters is the same one at each attempt of a step, in whatever
    order branches that run at once come to theirs. Calls that failed do not count.
    """

    def __init__(self) -> None:
        """Know of none."""
        self._used: OrderedDict[tuple[str, Attempt], dict[bytes, Counted]] = OrderedDict()
        self._counted = 0

    def take(self, database: str, attempt: Attempt, statements: Sequence[Statement]) -> Ticket:
        """Count the call that an attempt makes now."""
        digest = blake2b(msgspec.msgpack.encode(statements), digest_size=16).digest()
        counted = self._used.setdefault((database, attempt), {})
        self._used.move_to_end((database, attempt))
        same = counted.get(digest)
        if same is None:
            same = counted[digest] = Counted()
            self._counted += 1
        while len(self._used) > REMEMBERED or (self._counted > _COUNTED and len(self._used) > 1):
            self._counted -= len(self._used.popitem(last=False)[1])
        number = same.take()
        named = msgspec.msgpack.encode([attempt[0], digest, number])
        return Ticket(blake2b(named, digest_size=16).digest(), same, number)

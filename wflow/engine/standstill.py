"""How long an instance stood still: from when it was paused, or was over, until it went on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine.status import ENDED, PAUSED

if TYPE_CHECKING:
    from wflow.engine.facts import Moved

_STILL: Final = ENDED | {PAUSED}


class Standstill(msgspec.Struct, eq=False):
    """Told of each change of status, it says how long the standstill was that this one ends."""

    _since: int | None = None

    def moved(self, fact: Moved) -> int:
        """Give the milliseconds that the instance stood still until now; 0 if it did not, or still does."""
        since = self._since
        if fact.status in _STILL:
            self._since = fact.at if since is None else since
            return 0
        self._since = None
        return 0 if since is None else max(0, fact.at - since)

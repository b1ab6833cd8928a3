"""What the code at hand has asked for so far: which steps, how often by each name, and in what order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from wflow.engine import names
from wflow.errors import TooMany

if TYPE_CHECKING:
    from wflow.engine.steps import Step

_COUNTED: Final = frozenset({"do", "poll"})
"""The kinds that count for the limit of steps; sleeps, waits and rollbacks do not, as with Cloudflare."""


class Visits(msgspec.Struct, eq=False):
    """See the module. There may be ``limit`` of them; ``order`` counts all, and tells which came first."""

    limit: int
    order: int = 0
    _counted: int = 0
    _by_name: dict[str, int] = {}

    def upcoming(self, name: str) -> str:
        """Give the key that the next step of a name will have."""
        return f"{name}-{self._by_name.get(name, 0) + 1}"

    def add(self, step: Step) -> str:
        """Count a step that is asked for, and give its key: ``name-n``; a rollback's is its name.

        Raises TooMany over the limit, and has counted nothing then.
        """
        name, kind = step.name, step.kind
        if kind in _COUNTED:
            if self._counted >= self.limit:
                raise TooMany(
                    f"The limit of {self.limit} steps has been reached. "
                    "This limit can be changed in your worker configuration.",
                    hint=f"set `limits.steps` of the workflow (up to {names.STEPS_MAX}), or split the work",
                )
            self._counted += 1
        self.order += 1
        if kind == "rollback":
            return name
        visit = self._by_name[name] = self._by_name.get(name, 0) + 1
        return f"{name}-{visit}"

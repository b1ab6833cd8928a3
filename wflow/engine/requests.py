"""What an instance is asked to do, or is told of its children, by way of its inbox.

Such an event is received, kept in the journal and handed to the code in its order like any other, so that a
replay meets it at the same place. Its type begins with a dot, which no type that people send can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from wflow.engine.facts import Received

if TYPE_CHECKING:
    from wflow.engine.facts import Fact

OURS: Final = "."
"""What the types begin with that no one can send."""
CANCEL: Final = ".cancel"
"""Raise CancelledError in the code, once; when that leaves `run`, the instance ends as terminated."""
ROLL_BACK: Final = ".rollback"
"""Leave the code, undo the steps and end as terminated."""
CHILD: Final = ".child-"
"""A child is over: the rest of the type is the key of the call, the payload its encoded Outcome."""


def is_request(type_: str) -> bool:
    """Tell whether an event wakes an instance whatever it waits for."""
    return type_ in (CANCEL, ROLL_BACK)


def placed(fact: Fact, order: int) -> Fact:
    """Note in a request how far the code is that will hear of it; any other fact stays as it is."""
    if isinstance(fact, Received) and is_request(fact.type):
        return replace(fact, order=order)
    return fact

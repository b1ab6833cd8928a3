"""How a step ended: with a value, or with an error that keeps its class, message, cause and traceback."""

from __future__ import annotations

from typing import Final

import msgspec


class Failure(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An exception as the journal keeps it.

    ``name`` is what people see (a NonRetryableError may carry its own), ``path`` is ``module:qualname`` of
    the class, ``kept`` the encoded arguments and attributes it is made again of, as far as they can be kept
    (``args`` are the arguments alone, in older journals), ``group`` the members of an ExceptionGroup.
    """

    name: str
    message: str
    path: str = ""
    trace: str = ""
    args: bytes = b""
    cause: Failure | None = None
    retryable: bool = True
    kept: bytes = b""
    notes: list[str] = []
    group: list[Failure] = []


FULL: Final = Failure(
    name="TooLarge",
    message="The instance has exceeded the 1GiB storage limit",
    path="wflow.errors:TooLarge",
    retryable=False,
)
"""What a step fails with whose value has no room left in its instance; Cloudflare's words."""

INTERRUPTED: Final = Failure(
    name="StepInterrupted",
    message="Attempt failed due to internal workflows error: it was cut off with its process",
    path="wflow.errors:StepInterrupted",
)
"""What an attempt fails with that was cut off; the first words are Cloudflare's."""
NOT_YET: Final = Failure(name="NotYet", message="not yet")
"""What a check of a poll is noted as that says to go on."""


class Ok(msgspec.Struct, frozen=True, gc=False, tag=0, tag_field="end", array_like=True):
    """The step gave a value (encoded by `wflow.engine.values`).

    ``beside`` is how many bytes are kept beside it, in a stream that it refers to.
    """

    value: bytes = b"\xc0"
    beside: int = 0

    @property
    def size(self) -> int:
        """What it takes of the instance's room, in bytes."""
        return len(self.value) + self.beside


class Err(msgspec.Struct, frozen=True, gc=False, tag=1, tag_field="end", array_like=True):
    """The step failed."""

    failure: Failure


Outcome = Ok | Err


class RolledBack(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """How undoing the steps of an instance went: ``failure`` is of the rollback that failed, if one did."""

    failure: Failure | None = None

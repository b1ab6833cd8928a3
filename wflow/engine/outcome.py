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


class Ok(msgspec.Struct, frozen=True, gc=False, tag=0, tag_field="end", array_like=True):
    """The step gave a value (encoded by `wflow.engine.values`)."""

    value: bytes = b"\xc0"


class Err(msgspec.Struct, frozen=True, gc=False, tag=1, tag_field="end", array_like=True):
    """The step failed."""

    failure: Failure


Outcome = Ok | Err

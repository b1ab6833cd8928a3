"""How a step ended: with a value, or with an error that keeps its class, message, cause and traceback."""

from __future__ import annotations

import msgspec


class Failure(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An exception as the journal keeps it.

    ``name`` is what people see (a NonRetryableError may carry its own), ``path`` is ``module:qualname`` of
    the class, ``args`` the encoded arguments it was made of when all of them are plain values.
    """

    name: str
    message: str
    path: str = ""
    trace: str = ""
    args: bytes = b""
    cause: Failure | None = None
    retryable: bool = True


class Ok(msgspec.Struct, frozen=True, gc=False, tag=0, tag_field="end", array_like=True):
    """The step gave a value (encoded by `wflow.engine.values`)."""

    value: bytes = b"\xc0"


class Err(msgspec.Struct, frozen=True, gc=False, tag=1, tag_field="end", array_like=True):
    """The step failed."""

    failure: Failure


Outcome = Ok | Err

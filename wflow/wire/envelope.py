"""The envelope of every answer of the API, Cloudflare's; and which HTTP status an error gets."""

from __future__ import annotations

from typing import Final

import msgspec

from wflow.errors import (
    BundleError,
    Forbidden,
    InstanceExists,
    InstanceNotFound,
    InvalidInput,
    KeyNotFound,
    LoadError,
    NamespaceNotFound,
    QueueNotFound,
    QueueTaken,
    Refused,
    TooLarge,
    TooMany,
    Unauthorized,
    UnserializableError,
    VersionNotFound,
    WflowError,
    WorkerNotFound,
    WorkflowNotFound,
    WrongMove,
)

PREFIX: Final = "/client/v4"
"""Where the API begins."""
ACCOUNT: Final = "local"
"""The one account of every runner."""
REQUEST_ID: Final = "x-request-id"
INTERNAL: Final = 10001
"""Cloudflare's number for a failure that is the server's own."""


class NoSuchRoute(Refused):
    """Nothing lies at that path; 7003 is Cloudflare's number."""

    code = 7003


class WrongMethod(Refused):
    """The path is good, the method is not; 7001 is Cloudflare's number."""

    code = 7001


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What went wrong; ``hint`` and where in the user's code it was are ours, beside Cloudflare's two."""

    code: int
    message: str
    hint: str | None = None
    trace: str | None = None
    file: str | None = None
    line: int | None = None


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """Every answer of the API."""

    success: bool
    errors: list[Problem] = []
    messages: list[object] = []
    result: object = None
    result_info: dict[str, object] | msgspec.UnsetType | None = msgspec.UNSET


def done(result: object, info: dict[str, object] | None = None) -> bytes:
    """Wrap a result, and what a list says of its page, as JSON."""
    return encode(Envelope(success=True, result=result, result_info=msgspec.UNSET if info is None else info))


def refused(problem: Problem) -> bytes:
    """Wrap a problem as JSON."""
    return encode(Envelope(success=False, errors=[problem]))


def encode(envelope: Envelope) -> bytes:
    """Write JSON; what JSON does not know becomes text."""
    return _encoder.encode(envelope)


def decode(raw: bytes) -> Envelope:
    """Read an envelope; raises msgspec.DecodeError when it is none."""
    return _decoder.decode(raw)


def status_of(error: BaseException) -> int:
    """Give the HTTP status of an error; 500 for all that nobody but the server can mend."""
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), 500)


def problem_of(error: BaseException, request_id: str) -> Problem:
    """Say what a client may know of an error: of one that is the server's own, only where to look it up."""
    if status_of(error) == 500:
        hint = f"the runner's log tells more under the request id {request_id}"
        return Problem(code=INTERNAL, message="internal error", hint=hint)
    if isinstance(error, LoadError):
        return Problem(
            code=error.code,
            message=error.message,
            hint=error.hint,
            trace=error.trace or None,
            file=error.file,
            line=error.line,
        )
    if isinstance(error, WflowError):
        return Problem(code=error.code, message=error.message, hint=error.hint)
    return Problem(code=InvalidInput.code, message=str(error))


_STATUSES: Final[tuple[tuple[type[BaseException], int], ...]] = (
    (Unauthorized, 401),
    (Forbidden, 403),
    (WorkerNotFound, 404),
    (VersionNotFound, 404),
    (WorkflowNotFound, 404),
    (InstanceNotFound, 404),
    (NamespaceNotFound, 404),
    (KeyNotFound, 404),
    (QueueNotFound, 404),
    (NoSuchRoute, 404),
    (WrongMethod, 405),
    (InstanceExists, 409),
    (QueueTaken, 409),
    (WrongMove, 409),
    (TooLarge, 413),
    (TooMany, 429),
    (Refused, 400),
    (BundleError, 400),
    (LoadError, 400),
    (UnserializableError, 400),
)
_encoder = msgspec.json.Encoder(enc_hook=str)
_decoder = msgspec.json.Decoder(Envelope)

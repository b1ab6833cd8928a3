"""`wflow.idempotent`: a step's requests bear its key, so that who takes them knows those that come again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from wflow.errors import InvalidInput
from wflow.runtime.attempt import here
from wflow.runtime.seed import step_key

if TYPE_CHECKING:
    from collections.abc import MutableMapping

HEADER: Final = "Idempotency-Key"
"""As in the IETF's draft-ietf-httpapi-idempotency-key-header, and as most payment providers have it."""


class Request(Protocol):
    """A request that is about to be sent, of httpx or of requests."""

    @property
    def headers(self) -> MutableMapping[str, str]:
        """Its headers; the case of their names does not matter."""
        ...


R = TypeVar("R", bound=Request)


def idempotent(request: R) -> R:
    """Give a request the idempotency key of the step that makes it, as a header, unless it has one.

    For httpx it is an `auth`, of one request (``client.post(url, auth=wflow.idempotent)``) or of a client.
    The second request of an attempt gets ``<key>-2``, and so on in the order in which they are made, so make
    them in the same order at each attempt. Raises InvalidInput outside a step.
    """
    if HEADER in request.headers:
        return request
    place = here.get()
    if place is None or not place.step:
        raise InvalidInput(
            "wflow.idempotent is for the requests of a step, and here none is running",
            hint="make the request in a step (ctx.do); elsewhere set the header yourself",
        )
    number = next(place.requests) + 1
    key = step_key(place)
    request.headers[HEADER] = key if number == 1 else f"{key}-{number}"
    return request

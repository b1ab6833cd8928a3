"""Request and Response, as the Worker's `fetch` knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from wflow.engine.values import json_ready

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Headers:
    """Headers by name in any case; the first value wins in `get`, `append` keeps several."""

    def __init__(self, given: Headers | Mapping[str, str] | list[tuple[str, str]] | None = None) -> None:
        """Copy what is given."""
        if given is None:
            self._pairs: list[tuple[str, str]] = []
        elif isinstance(given, Headers):
            self._pairs = list(given._pairs)
        else:
            pairs = given if isinstance(given, list) else list(given.items())
            self._pairs = [(str(name).lower(), str(value)) for name, value in pairs]

    def get(self, name: str, default: str | None = None) -> str | None:
        """Find a header."""
        name = name.lower()
        return next((value for key, value in self._pairs if key == name), default)

    def append(self, name: str, value: str) -> None:
        """Add one more value."""
        self._pairs.append((name.lower(), value))

    def items(self) -> list[tuple[str, str]]:
        """List names and values, as often as they stand."""
        return list(self._pairs)

    def __getitem__(self, name: str) -> str:
        """Get a header, or raise KeyError."""
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        """Set a header, for good."""
        name = name.lower()
        self._pairs = [pair for pair in self._pairs if pair[0] != name]
        self._pairs.append((name, str(value)))

    def __contains__(self, name: object) -> bool:
        """Tell whether a header is there."""
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self._pairs)


class Request:
    """An HTTP request; ``url`` is absolute."""

    def __init__(self, method: str, url: str, headers: list[tuple[str, str]], body: bytes) -> None:
        """Keep the parts."""
        self.method = method
        self.url = url
        self.headers = Headers(headers)
        self._body = body

    @property
    def path(self) -> str:
        """The path part of the URL."""
        return urlsplit(self.url).path

    async def bytes(self) -> bytes:
        """Give the body."""
        return self._body

    async def text(self) -> str:
        """Give the body as text; bytes that are no UTF-8 are replaced."""
        return self._body.decode(errors="replace")

    async def json(self) -> Any:  # noqa: ANN401
        """Give the body read as JSON; raises ValueError when it is none."""
        try:
            return msgspec.json.decode(self._body)
        except msgspec.DecodeError as wrong:
            message = f"the body is no JSON: {wrong}"
            raise ValueError(message) from None


class Response:
    """An HTTP answer: a text or bytes body, a status and headers."""

    def __init__(
        self,
        body: str | bytes | None = None,
        status: int = 200,
        headers: Headers | Mapping[str, str] | list[tuple[str, str]] | None = None,
    ) -> None:
        """Keep the parts; text is sent as UTF-8. Raises TypeError for another body, ValueError for a wrong status."""
        if body is not None and not isinstance(body, (str, bytes)):
            message = f"a Response's body is text or bytes, not {type(body).__name__}; Response.json takes the rest"
            raise TypeError(message)
        if not isinstance(status, int) or not 200 <= status <= 599:
            message = f"a Response's status is a number from 200 to 599, not {status!r}"
            raise ValueError(message)
        self.status = status
        self.headers = Headers(headers)
        self.body = body.encode() if isinstance(body, str) else body or b""
        if isinstance(body, str) and "content-type" not in self.headers:
            self.headers["content-type"] = "text/plain; charset=utf-8"

    @staticmethod
    def json(
        data: object,
        status: int = 200,
        headers: Headers | Mapping[str, str] | list[tuple[str, str]] | None = None,
    ) -> Response:
        """Answer with JSON; datetimes, Decimals and UUIDs become text. Raises TypeError for what has no JSON."""
        response = Response(msgspec.json.encode(json_ready(data)), status, headers)
        if "content-type" not in response.headers:
            response.headers["content-type"] = "application/json"
        return response

    @staticmethod
    def redirect(url: str, status: int = 302) -> Response:
        """Send the client elsewhere."""
        return Response(None, status, {"location": url})

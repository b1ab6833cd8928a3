"""Request and Response, as the Worker's `fetch` knows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE: Final = re.compile(r"[^\r\n\0\u0100-\U0010ffff]*")


class Headers:
    """Headers by name in any case; the first value wins in `get`, `append` keeps several.

    Raises ValueError for a name or a value that HTTP cannot carry; a line break in one would begin another
    header.
    """

    def __init__(self, given: Headers | Mapping[str, str] | list[tuple[str, str]] | None = None) -> None:
        """Copy what is given."""
        pairs = given if isinstance(given, list) else [] if given is None else given.items()
        self._pairs = [_pair(name, value) for name, value in pairs]

    def get(self, name: str, default: str | None = None) -> str | None:
        """Find a header."""
        name = name.lower()
        return next((value for key, value in self._pairs if key == name), default)

    def append(self, name: str, value: str) -> None:
        """Add one more value."""
        self._pairs.append(_pair(name, value))

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
        new = _pair(name, value)
        self._pairs = [*(pair for pair in self._pairs if pair[0] != new[0]), new]

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

    async def json(self) -> Any:
        """Give the body read as JSON; raises ValueError when it is none."""
        try:
            return msgspec.json.decode(self._body)
        except (msgspec.DecodeError, RecursionError) as wrong:
            message = f"the body is no JSON: {wrong}"
            raise ValueError(message) from None


class Response:
    """An HTTP answer: a text or bytes body, a status and headers."""

    def __init__(
        self,
        body: str | bytes | bytearray | memoryview | None = None,
        status: int = 200,
        headers: Headers | Mapping[str, str] | list[tuple[str, str]] | None = None,
    ) -> None:
        """Keep the parts; text is sent as UTF-8.

        Raises TypeError for another body, ValueError for a wrong status or header.
        """
        self.status = status
        self.headers = Headers(headers)
        self.body = body
        self.parts()
        if isinstance(body, str) and "content-type" not in self.headers:
            self.headers["content-type"] = "text/plain; charset=utf-8"

    def parts(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """Give what is sent: status, headers and body as they are now; raises as the constructor does."""
        body: object = "" if self.body is None else self.body
        if not isinstance(body, (str, bytes, bytearray, memoryview)):
            kind = type(body).__name__
            raise TypeError(f"a Response's body is text or bytes, not {kind}; Response.json takes the rest")
        status: object = self.status
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError(f"a Response's status is a number from 200 to 599, not {status!r}")
        headers = Headers(self.headers).items()
        return int(status), headers, body.encode() if isinstance(body, str) else bytes(body)

    @staticmethod
    def json(
        data: object,
        status: int = 200,
        headers: Headers | Mapping[str, str] | list[tuple[str, str]] | None = None,
    ) -> Response:
        """Answer with JSON; dates, Decimals and UUIDs become text. Raises TypeError for what has no JSON."""
        response = Response(msgspec.json.encode(data, enc_hook=_refuse), status, headers)
        if "content-type" not in response.headers:
            response.headers["content-type"] = "application/json"
        return response

    @staticmethod
    def redirect(url: str, status: int = 302) -> Response:
        """Send the client elsewhere."""
        return Response(None, status, {"location": url})


def _pair(name: object, value: object) -> tuple[str, str]:
    key, text = str(name).lower(), str(value)
    if not _NAME.fullmatch(key):
        raise ValueError(f"{name!r} is no name of a header")
    if not _VALUE.fullmatch(text):
        raise ValueError(f"the header {key!r} cannot be {text!r}: no line breaks, and nothing beyond Latin-1")
    return key, text


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"a {type(value).__module__}.{type(value).__qualname__} has no JSON")

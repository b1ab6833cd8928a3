"""Request as Cloudflare's Python Workers know it."""

from __future__ import annotations

from http import HTTPMethod
from typing import TYPE_CHECKING, Any, Self

from wflow.runtime import http
from wflow.runtime.workers.headers import Headers

if TYPE_CHECKING:
    from wflow.link.frames import Fetch
    from wflow.runtime.workers.headers import Given


class Request(http.Request):
    """An HTTP request: what `fetch` handlers get, and what `fetch()` sends."""

    def __init__(
        self,
        input: str | http.Request,
        *,
        method: str | None = None,
        headers: Given = None,
        body: str | bytes | None = None,
        redirect: str = "follow",
        **_cloudflares: object,
    ) -> None:
        """Make one of a URL, or of another request, whose parts stay unless they are given anew.

        What only Cloudflare's network understands, such as ``cf``, is passed over. Raises TypeError for a
        body that is neither text nor bytes, ValueError for headers that HTTP cannot carry.
        """
        if not isinstance(body, (str, bytes, bytearray, memoryview, type(None))):
            raise TypeError(f"a Request's body is text or bytes, not {type(body).__name__}")
        old = input if isinstance(input, http.Request) else http.Request("GET", input, [], b"")
        raw = old._body if body is None else body.encode() if isinstance(body, str) else bytes(body)  # noqa: SLF001
        super().__init__(_method(method or old.method), old.url, [], raw)
        self.headers: Headers = Headers(old.headers if headers is None else headers)
        if isinstance(body, str) and "content-type" not in self.headers:
            self.headers["content-type"] = "text/plain;charset=UTF-8"
        self.redirect = redirect

    @classmethod
    def of(cls, fetch: Fetch) -> Self:
        """Make the request that a handler gets."""
        return cls(fetch.url, method=fetch.method, headers=fetch.headers, body=fetch.body)

    @property
    def js_object(self) -> Self:
        """The request itself: there is no JavaScript behind it."""
        return self

    @property
    def body(self) -> bytes | None:
        """The whole body, where Cloudflare has a stream; None when it is empty."""
        return self._body or None

    @property
    def cf(self) -> None:
        """What Cloudflare's network knows of a request: nothing, here."""

    async def buffer(self) -> bytes:
        """Give the body."""
        return self._body

    async def json(self, **_options: object) -> Any:
        """Give the body read as JSON; raises ValueError when it is none."""
        return await super().json()

    def clone(self) -> Request:
        """Copy it."""
        return Request(self)

    def __repr__(self) -> str:
        """Show method and URL."""
        return f"Request(method={str(self.method)!r}, url={self.url!r})"


def _method(given: str) -> str:
    """Give one of `http.HTTPMethod`, which is text as well, if it is one."""
    try:
        return HTTPMethod(given.upper())
    except ValueError:
        return given

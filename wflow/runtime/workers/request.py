"""Request as Cloudflare's Python Workers know it."""

from __future__ import annotations

from http import HTTPMethod
from typing import TYPE_CHECKING, Any, Self

from wflow.runtime import http
from wflow.runtime.body import Body, Source, source_of, type_of
from wflow.runtime.workers.headers import Headers

if TYPE_CHECKING:
    from wflow.link.frames import Fetch
    from wflow.runtime.headers import Given


class Request(http.Request):
    """An HTTP request: what `fetch` handlers get, and what `fetch()` sends."""

    def __init__(
        self,
        input: str | http.Request,
        *,
        method: str | None = None,
        headers: Given = None,
        body: object = None,
        redirect: str = "follow",
        **_cloudflares: object,
    ) -> None:
        """Make one of a URL, or of another request, whose parts stay unless they are given anew.

        A body is text, bytes, a form, a blob, or what gives pieces. What only Cloudflare's network
        understands, such as ``cf``, is passed over. Raises TypeError for another body, ValueError for headers
        that HTTP cannot carry, OSError when the other request's body was read.
        """
        old = input if isinstance(input, http.Request) else http.Request("GET", input, [])
        super().__init__(_method(method or old.method), old.url, [])
        self._body = old._body if body is None else Body(source_of(body, "Request"))  # noqa: SLF001
        self.headers: Headers = Headers(old.headers if headers is None else headers)
        kind = "text/plain;charset=UTF-8" if isinstance(body, str) else type_of(body)
        if kind is not None and "content-type" not in self.headers:
            self.headers["content-type"] = kind
        self.redirect = redirect

    @classmethod
    def of(cls, fetch: Fetch, body: Source | None = None) -> Self:
        """Make the request that a handler gets; ``body`` is the whole of it, if the frame has not all."""
        made = cls(fetch.url, method=fetch.method, headers=fetch.headers)
        made._body = Body(fetch.body if body is None else body)
        return made

    @property
    def js_object(self) -> Self:
        """The request itself: there is no JavaScript behind it."""
        return self

    async def json(self, **_options: object) -> Any:
        """Give the body read as JSON; raises ValueError when it is none."""
        return await super().json()

    def clone(self) -> Request:
        """Make another one, whose body can be read as well; raises OSError when it was read."""
        other = Request(self.url, method=self.method, headers=self.headers, redirect=self.redirect)
        other._body = self._body.branch()
        return other

    def __repr__(self) -> str:
        """Show method and URL."""
        return f"Request(method={str(self.method)!r}, url={self.url!r})"


def _method(given: str) -> str:
    """Give one of `http.HTTPMethod`, which is text as well, if it is one."""
    try:
        return HTTPMethod(given.upper())
    except ValueError:
        return given

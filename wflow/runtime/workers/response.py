"""Response as Cloudflare's Python Workers know it: what a handler answers, and what `fetch()` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

import msgspec

from wflow.runtime import http
from wflow.runtime.workers.headers import Headers

if TYPE_CHECKING:
    from wflow.runtime.workers.headers import Given

Octets: TypeAlias = bytes
"""What `bytes` is, where a method has that name."""
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


class Response(http.Response):
    """An HTTP answer with a body of text or bytes."""

    def __init__(  # noqa: PLR0917 - Cloudflare's
        self,
        body: http.Response | str | bytes | None = None,
        status: int | None = None,
        status_text: str = "",
        headers: Given = None,
        web_socket: None = None,
    ) -> None:
        """Keep the parts; made of another response, it is that one's copy.

        Raises TypeError for another kind of body, ValueError for a wrong status or header. The text of a
        status is not sent: HTTP/2 has none.
        """
        if web_socket is not None:
            raise TypeError("wflow has no WebSockets")
        if isinstance(body, http.Response):
            if status is not None or status_text or headers is not None:
                raise ValueError("a Response made of another one takes no options")
            status, headers, status_text = body.status, body.headers, getattr(body, "status_text", "")
            copied: str | bytes | bytearray | memoryview | None = body.body
        else:
            copied = body
        super().__init__(copied, 200 if status is None else int(status), list(Headers(headers).items()))
        self.headers: Headers = Headers(self.headers)
        self.status_text = status_text
        self.url = ""

    @property
    def ok(self) -> bool:
        """Whether the status tells of success."""
        return 200 <= self.status <= 299

    @property
    def js_object(self) -> Response:
        """The response itself: there is no JavaScript behind it."""
        return self

    async def buffer(self) -> Octets:
        """Give the body."""
        return self.parts()[2]

    async def bytes(self) -> Octets:
        """Give the body."""
        return self.parts()[2]

    async def text(self) -> str:
        """Give the body as text; bytes that are no UTF-8 are replaced."""
        return self.parts()[2].decode(errors="replace")

    string = text

    def json(self: Any, *options: Any, **named: Any) -> Any:  # type: ignore[override]
        """Read the body of a response as JSON: ``await response.json()``; raises ValueError when it is none.

        As ``Response.json(data, status=200)`` it is `from_json`.
        """
        if isinstance(self, Response):
            return self._json()
        return Response.from_json(self, *options, **named)

    @staticmethod
    def from_json(data: object, status: int = 200, status_text: str = "", headers: Given = None) -> Response:
        """Answer with JSON. Raises TypeError for what has no JSON."""
        made = http.Response.json(data, int(status), list(Headers(headers).items()))
        response = Response(made)
        response.status_text = status_text
        return response

    @staticmethod
    def redirect(url: str, status: int = 302) -> Response:
        """Send the client elsewhere; raises ValueError for a status that is no redirect."""
        if status not in REDIRECTS:
            raise ValueError(f"a redirect's status is one of {', '.join(map(str, sorted(REDIRECTS)))}")
        return Response(None, status, headers={"location": url})

    def replace_body(self, body: str | Octets | None) -> Response:
        """Make a response that differs in its body only."""
        return Response(body, self.status, self.status_text, self.headers)

    def clone(self) -> Response:
        """Copy it."""
        return Response(self)

    async def _json(self) -> Any:
        try:
            return msgspec.json.decode(self.parts()[2])
        except msgspec.DecodeError as wrong:
            raise ValueError(f"the body is no JSON: {wrong}") from None

    def __repr__(self) -> str:
        """Show the status."""
        return f"Response(status={self.status})"

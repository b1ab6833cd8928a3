"""Response as Cloudflare's Python Workers know it: what a handler answers, and what `fetch()` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wflow.runtime import http
from wflow.runtime.body import BodyStream
from wflow.runtime.workers.headers import Headers

if TYPE_CHECKING:
    from wflow.runtime.headers import Given

PLAIN: Final = "text/plain;charset=UTF-8"


class Response(http.Response):
    """An HTTP answer; the body is text, bytes, a form, a blob, or what gives pieces."""

    def __init__(  # noqa: PLR0917 - Cloudflare's
        self,
        body: object = None,
        status: int | None = None,
        status_text: str = "",
        headers: Given = None,
        web_socket: None = None,
    ) -> None:
        """Keep the parts; made of another response, it takes that one's over, its body too.

        Raises TypeError for another kind of body, ValueError for a wrong status or header, OSError for a
        response whose body was read. The text of a status is not sent: HTTP/2 has none.
        """
        if web_socket is not None:
            raise TypeError("wflow has no WebSockets")
        other = body if isinstance(body, http.Response) else None
        if other is not None:
            if status is not None or status_text or headers is not None:
                raise ValueError("a Response made of another one takes no options")
            status, headers, status_text = other.status, other.headers, getattr(other, "status_text", "")
        given = Headers(headers)
        if isinstance(body, str) and "content-type" not in given:
            given["content-type"] = PLAIN
        super().__init__(None if other else body, 200 if status is None else int(status), given)
        self.headers: Headers = Headers(self.headers)
        if other is not None:
            self._body = other._body  # noqa: SLF001 - it is ours
        self.status_text = status_text
        self.url = ""
        self.redirected = False

    @property
    def statusText(self) -> str:  # noqa: N802 - Cloudflare's spelling
        """As ``status_text``."""
        return self.status_text

    @property
    def type(self) -> str:
        """What JavaScript tells of where it came from."""
        return "default"

    @property
    def body(self) -> BodyStream | None:
        """The body, to be gone through in pieces; None when there is none."""
        return None if self._body.empty else BodyStream(self._body)

    @body.setter
    def body(self, body: object) -> None:
        http.Response.body.fset(self, body)  # type: ignore[attr-defined]

    @property
    def js_object(self) -> Response:
        """The response itself: there is no JavaScript behind it."""
        return self

    string = http.Response.text

    @classmethod
    def from_json(  # type: ignore[override]
        cls, data: object, status: int = 200, status_text: str = "", headers: Given = None
    ) -> Response:
        """Answer with JSON. Raises TypeError for what has none."""
        response = cls(http.encoded(data), status, status_text, headers)
        response._set_type("application/json")
        return response

    def replace_body(self, body: object) -> Response:
        """Make a response that differs in its body only."""
        return Response(body, self.status, self.status_text, self.headers)

    def clone(self) -> Response:
        """Make another one, whose body can be read as well; raises OSError when it was read."""
        other = super().clone()
        other.status_text, other.url, other.redirected = self.status_text, self.url, self.redirected
        return other

    def __repr__(self) -> str:
        """Show the status."""
        return f"Response(status={self.status})"

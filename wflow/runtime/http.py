"""Request and Response, as the Worker's `fetch` knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol, TypeAlias, overload
from urllib.parse import urlsplit

import msgspec

from wflow.runtime import forms
from wflow.runtime.body import Body, BodyStream, Source, source_of, type_of
from wflow.runtime.forms import Blob, FormData
from wflow.runtime.headers import Headers, Query, cookie, cookies_of, expiry

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from datetime import datetime
    from typing import Self

    from wflow.runtime.headers import Given

__all__ = ["Headers", "Message", "Request", "Response"]

Octets: TypeAlias = bytes
"""What `bytes` is, where a method has that name."""
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
PLAIN: Final = "text/plain; charset=utf-8"


class Message:
    """What requests and answers have in common: headers, and a body that can be read once."""

    headers: Headers
    _body: Body

    @property
    def body_used(self) -> bool:
        """Whether the body was read; reading it again raises OSError."""
        return self._body.used

    @property
    def bodyUsed(self) -> bool:  # noqa: N802 - Cloudflare's spelling
        """As `body_used`."""
        return self.body_used

    async def bytes(self) -> Octets:
        """Give the body, of 100 MiB at most."""
        return await self._body.read()

    async def buffer(self) -> Octets:
        """Give the body."""
        return await self.bytes()

    arrayBuffer = array_buffer = buffer  # noqa: N815 - Cloudflare's spelling

    async def text(self) -> str:
        """Give the body as text; bytes that are no UTF-8 are replaced."""
        return (await self.bytes()).decode(errors="replace")

    async def blob(self) -> Blob:
        """Give the body as a Blob, with its content type."""
        return Blob(await self.bytes(), self.headers.get("content-type"))

    async def form_data(self) -> FormData:
        """Give the body as a form, multipart or urlencoded.

        Raises TypeError when it is none, ValueError for a broken one.
        """
        return await forms.parse(self.headers.get("content-type"), self.bytes)

    formData = form_data  # noqa: N815 - Cloudflare's spelling

    async def _json(self) -> Any:
        raw = await self.bytes()
        try:
            return msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError) as wrong:
            raise ValueError(f"the body is no JSON: {wrong}") from None


class Request(Message):
    """An HTTP request; ``url`` is absolute."""

    cf: None = None
    """What Cloudflare's network knows of a request: nothing, here."""

    def __init__(self, method: str, url: str, headers: list[tuple[str, str]], body: Source = b"") -> None:
        """Keep the parts; the body is bytes, or what gives them."""
        self.method = method
        self.url = url
        self.headers = Headers(headers)
        self._body = Body(body)

    @property
    def path(self) -> str:
        """The path part of the URL."""
        return urlsplit(self.url).path

    @property
    def query(self) -> Query:
        """The parameters of the URL by name; raises ValueError for more than 10,000."""
        return Query(urlsplit(self.url).query)

    @property
    def cookies(self) -> dict[str, str]:
        """The cookies by name."""
        return cookies_of("; ".join(self.headers.get_all("cookie") or ()))

    @property
    def body(self) -> BodyStream | None:
        """The body, to be gone through in pieces; None when there is none."""
        return None if self._body.empty else BodyStream(self._body)

    def sent(self) -> Source:
        """Give the body to whoever sends it on; raises OSError for a stream that was read."""
        return self._body.send()

    async def json(self) -> Any:
        """Give the body read as JSON; raises ValueError when it is none."""
        return await self._json()

    def clone(self) -> Request:
        """Make another one, whose body can be read as well; raises OSError when it was read."""
        return Request(self.method, self.url, self.headers.items(), self._body.branch().take())


class _Makes(Protocol):
    def __call__(self, data: object, status: int = 200, headers: Given = None) -> Response: ...


class _Json:
    """`json`, which is one thing of the class and another of an answer."""

    @overload
    def __get__(self, response: None, kind: type[Response]) -> _Makes: ...
    @overload
    def __get__(self, response: Response, kind: type[Response]) -> Callable[[], Coroutine[Any, Any, Any]]: ...
    def __get__(self, response: Response | None, kind: type[Response]) -> Any:
        return kind.from_json if response is None else response._json  # noqa: SLF001 - it is ours


class Response(Message):
    """An HTTP answer: a status, headers, and a body."""

    def __init__(self, body: object = None, status: int = 200, headers: Given = None) -> None:
        """Keep the parts; text is sent as UTF-8, what gives text or bytes piece by piece as a stream.

        The body may be a form or a blob, too. Raises TypeError for another one, ValueError for a wrong status
        or header.
        """
        self.status = status
        self.headers = Headers(headers)
        self.body = body
        check(status)
        if type_of(self._given) is None and isinstance(self._given, str):
            self._set_type(PLAIN)
        elif (kind := type_of(self._given)) is not None:
            self._set_type(kind)

    @property
    def body(self) -> Any:
        """What the body was made of; it can be set anew. Raises TypeError for what is no body."""
        return self._given

    @body.setter
    def body(self, body: object) -> None:
        self._body = Body(source_of(body, "Response"))
        self._given = body

    @property
    def ok(self) -> bool:
        """Whether the status tells of success."""
        return 200 <= self.status <= 299

    def parts(self) -> tuple[int, list[tuple[str, str]], Source]:
        """Give what is sent: status, headers and body as they are now; raises as the constructor does."""
        check(self.status)
        return int(self.status), Headers(self.headers).items(), self._body.send()

    def set_cookie(
        self,
        name: str,
        value: str = "",
        *,
        max_age: int | None = None,
        expires: datetime | str | None = None,
        path: str | None = "/",
        domain: str | None = None,
        secure: bool = False,
        httponly: bool = False,
        samesite: str | None = "Lax",
    ) -> None:
        """Add a cookie; raises ValueError for what HTTP cannot carry."""
        said = {"path": path, "domain": domain, "secure": secure, "httponly": httponly, "samesite": samesite}
        text = cookie(name, value, max_age=max_age, expires=expiry(expires), **said)
        self.headers.append("set-cookie", text)

    def delete_cookie(self, name: str, *, path: str = "/", domain: str | None = None) -> None:
        """Have the client forget a cookie."""
        epoch = "Thu, 01 Jan 1970 00:00:00 GMT"
        self.set_cookie(name, "", max_age=0, expires=epoch, path=path, domain=domain)

    json = _Json()
    """``Response.json(data)`` makes an answer of data, as `from_json`; ``await response.json()`` reads one.

    The first raises TypeError for what has no JSON, the second ValueError when the body is none.
    """

    @classmethod
    def from_json(cls, data: object, status: int = 200, headers: Given = None) -> Self:
        """Answer with JSON: datetimes, Decimals and UUIDs become text. Raises TypeError for what has none."""
        response = cls(encoded(data), status, headers=headers)
        response._set_type("application/json")
        return response

    @classmethod
    def redirect(cls, url: str, status: int = 302) -> Self:
        """Send the client elsewhere; raises ValueError for a status that is no redirect."""
        if status not in REDIRECTS:
            raise ValueError(f"a redirect's status is one of {', '.join(map(str, sorted(REDIRECTS)))}")
        return cls(None, status, headers={"location": url})

    @classmethod
    def error(cls) -> Self:
        """Answer that something failed, and no more than that: 500, without a body."""
        return cls(None, 500)

    def clone(self) -> Self:
        """Make another one, whose body can be read as well; raises OSError when it was read."""
        other = type(self)(None, self.status, headers=self.headers)
        other._body, other._given = self._body.branch(), self._given  # noqa: SLF001 - it is ours
        return other

    def _set_type(self, content_type: str) -> None:
        if "content-type" not in self.headers:
            self.headers["content-type"] = content_type


def check(status: object) -> None:
    """Raise ValueError for what is no status of an answer."""
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise ValueError(f"a Response's status is a number from 200 to 599, not {status!r}")


def encoded(data: object) -> Octets:
    """Write data as JSON; raises TypeError for what has none."""
    return msgspec.json.encode(data, enc_hook=_refuse)


def _refuse(value: object) -> NoReturn:
    raise TypeError(f"a {type(value).__module__}.{type(value).__qualname__} has no JSON")

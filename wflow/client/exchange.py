"""One request and its answer: the envelope opened, and every failure turned into a RunnerError."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Self
from urllib.parse import quote

import msgspec

from wflow.client.slim import httpx
from wflow.errors import LoadError, RunnerError, Unreachable, UsageError
from wflow.wire import envelope
from wflow.wire.envelope import PREFIX, REQUEST_ID, Envelope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from types import TracebackType

    from wflow.client.remote import Remote

CONNECT_S: Final = 5.0
ANSWER_S: Final = 60.0
DEPLOY_S: Final = 300.0
"""The runner tries the import before it answers."""
SILENCE_S: Final = 35.0
"""A stream that says nothing for so long is cut: it has a heartbeat every 10 s."""

Query = dict[str, str | int | bool | list[str] | None]


class Exchange:
    """A connection to a runner, kept open between requests."""

    def __init__(self, remote: Remote) -> None:
        """Speak with ``remote``; connects with the first request."""
        self.remote = remote
        headers = {"accept": "application/json"}
        if remote.token is not None:
            headers["authorization"] = f"Bearer {remote.token}"
        through = None if remote.socket is None else httpx.HTTPTransport(uds=str(remote.socket))
        self._http = httpx.Client(
            base_url=remote.base + PREFIX,
            headers=headers,
            timeout=httpx.Timeout(ANSWER_S, connect=CONNECT_S),
            transport=through,
            trust_env=not remote.is_here,
        )

    def __enter__(self) -> Self:
        """Use it as a context."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self._http.close()

    def ask(
        self, method: str, path: str, *, query: Query | None = None, timeout_s: float = ANSWER_S
    ) -> Envelope:
        """Make a request without a body; raises RunnerError."""
        return self._ask(method, path, params=_present(query), timeout=_timeout(timeout_s))

    def tell(self, method: str, path: str, body: object, *, timeout_s: float = ANSWER_S) -> Envelope:
        """Make a request with a JSON body; raises RunnerError, and UsageError for what is no JSON."""
        try:
            content = msgspec.json.encode(body)
        except (TypeError, UnicodeEncodeError) as wrong:
            raise UsageError(f"this cannot be sent as JSON: {wrong}") from None
        headers = {"content-type": "application/json"}
        return self._ask(method, path, content=content, headers=headers, timeout=_timeout(timeout_s))

    def send(self, method: str, path: str, parts: Mapping[str, tuple[str | None, bytes, str]]) -> Envelope:
        """Make a request with a form of parts (file name, bytes, media type); raises RunnerError."""
        return self._ask(method, path, files=dict(parts), timeout=_timeout(DEPLOY_S))

    def pour(self, path: str, pieces: Iterable[bytes]) -> Envelope:
        """Put a file, as it is read; raises RunnerError."""
        headers = {"content-type": "application/octet-stream"}
        return self._ask("PUT", path, content=pieces, headers=headers, timeout=_timeout(DEPLOY_S))

    @contextmanager
    def stream(
        self, path: str, *, query: Query, accept: str = "application/json"
    ) -> Iterator[Iterator[bytes]]:
        """Read an answer's bytes as they come; raises RunnerError, Unreachable when it breaks off."""
        timeout = httpx.Timeout(SILENCE_S, connect=CONNECT_S)
        params, headers = _present(query), {"accept": accept}
        with (
            self._translated(),
            self._http.stream("GET", path, params=params, headers=headers, timeout=timeout) as response,
        ):
            if response.status_code != 200:
                response.read()
                self._open(response)
            yield response.iter_bytes()

    def _ask(self, method: str, path: str, **more: object) -> Envelope:
        with self._translated():
            response = self._http.request(method, path, **more)  # type: ignore[arg-type]
        return self._open(response)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        remote = self.remote
        try:
            yield
        except (httpx.ConnectError, httpx.ConnectTimeout) as gone:
            raise Unreachable(f"nothing answers at {remote} ({_reason(gone)})", hint=remote.hint) from None
        except httpx.TimeoutException:
            raise Unreachable(f"{remote} took too long to answer", hint="its log may tell why") from None
        except httpx.TransportError as broken:
            raise Unreachable(
                f"the connection to {remote} broke ({_reason(broken)})", hint=remote.hint
            ) from None
        except httpx.InvalidURL as wrong:
            raise UsageError(f"{remote} is no URL of a runner: {wrong}") from None

    def _open(self, response: httpx.Response) -> Envelope:
        status = response.status_code
        try:
            opened = envelope.decode(response.content)
        except msgspec.DecodeError:
            raise self._stranger(response) from None
        if opened.success and response.is_success:
            return opened
        if not opened.errors:
            raise self._stranger(response)
        problem = opened.errors[0]
        if problem.trace is not None:
            raise LoadError(
                problem.message, hint=problem.hint, trace=problem.trace, file=problem.file, line=problem.line
            )
        hint = problem.hint
        if hint is None and status >= 500:
            hint = f"request id {response.headers.get(REQUEST_ID, 'unknown')}"
        raise RunnerError(problem.message, hint=hint, status=status, number=problem.code)

    def _stranger(self, response: httpx.Response) -> RunnerError:
        """Say what answered when it was no runner."""
        kind = response.headers.get("content-type", "nothing").partition(";")[0]
        if response.has_redirect_location:
            hint = f"it leads on to {response.headers['location']}; give that runner's own URL"
        else:
            hint = "is this a runner's URL, with nothing else between?"
        return RunnerError(
            f"{self.remote} answered {response.status_code} with {kind}, which is not how a runner answers",
            hint=hint,
            status=response.status_code,
        )


def path_of(*parts: str) -> str:
    """Put a path together of names, which are quoted; raises UsageError for one that is no name."""
    for part in parts:
        if not part or set(part) <= {"."}:
            raise UsageError(f"{part!r} is no name")
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _present(query: Query | None) -> dict[str, str | list[str]]:
    given = {name: value for name, value in (query or {}).items() if value is not None}
    return {name: value if isinstance(value, list) else _said(value) for name, value in given.items()}


def _said(value: str | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=CONNECT_S)


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__

"""Stored lines, and a tail that goes on where it was cut off: no line is lost, none comes twice."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.client.exchange import Exchange, path_of
from wflow.engine.names import MIB
from wflow.errors import RunnerError, Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from wflow.client.exchange import Query

BACKOFF_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)
"""Between two attempts to connect again; the last for all that follow."""
LINE_BYTES: Final = 16 * MIB

Line = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which lines: ``step`` is a step's name or key, ``search`` a text in them.

    ``level`` is the least of debug, info, warn and error; info when it is not given.
    """

    workflow: str | None = None
    instance: str | None = None
    step: str | None = None
    level: str | None = None
    search: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Some lines, oldest first; ``cursor`` leads to what came after, and ``more`` of it is there already."""

    lines: list[Line]
    cursor: int
    more: bool


@dataclass(frozen=True, slots=True)
class Logs:
    """What a runner's Workers and workflows logged."""

    exchange: Exchange

    def read(
        self,
        wanted: Wanted | None = None,
        *,
        since: str | None = None,
        cursor: int | None = None,
        limit: int = 100,
    ) -> LogPage:
        """Read stored lines beyond ``cursor``, or ``since`` (10m, 2h, an instant); else the last ones."""
        query: Query = {**asdict(wanted or Wanted()), "since": since, "cursor": cursor, "limit": limit}
        opened = self.exchange.ask("GET", self._path, query=query)
        info = msgspec.convert(opened.result_info or {}, dict[str, Any])
        return LogPage(
            lines=msgspec.convert(opened.result, list[Line]),
            cursor=int(info.get("cursor", 0)),
            more=bool(info.get("more", False)),
        )

    def follow(
        self,
        wanted: Wanted | None = None,
        *,
        since: str | None = None,
        cursor: int | None = None,
        tries: int | None = None,
        on_wait: Callable[[RunnerError, float], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Iterator[Line]:
        """Give lines as they are logged, after the stored ones ``since``, or beyond ``cursor``.

        Connects again for ever, or ``tries`` times in a row; ``on_wait`` hears why a connection ended and how
        many seconds it waits now. A first connection that fails, and an answer that would not change (4xx),
        raise RunnerError.
        """
        query: Query = {**asdict(wanted or Wanted()), "since": since, "cursor": cursor, "follow": True}
        for line in tail(self.exchange, self._path, query, tries=tries, on_wait=on_wait, sleep=sleep):
            if "message" in line:
                yield line

    @property
    def _path(self) -> str:
        return path_of("accounts", self.exchange.remote.account, "logs")


def tail(
    exchange: Exchange,
    path: str,
    query: Query,
    *,
    tries: int | None = None,
    on_wait: Callable[[RunnerError, float], None] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Line]:
    """Give the lines of a stream that says in each how far it is: its `cursor`, or an event's `eventId`.

    Connects again, with that as the `cursor` of the ``query``, as `Logs.follow` has it; also when the stream
    ends: who knows that it is over leaves the loop.
    """
    began, failed = False, 0
    while True:
        try:
            with exchange.stream(path, query=query) as chunks:
                for line in _lines(chunks):
                    began, failed = True, 0
                    query = {**query, "cursor": line.get("cursor", line.get("eventId")), "since": None}
                    yield line
            raise Unreachable(f"{exchange.remote} ended the tail")
        except RunnerError as error:
            failed += 1
            if not began or _is_final(error) or (tries is not None and failed > tries):
                raise
            wait_s = BACKOFF_S[min(failed, len(BACKOFF_S)) - 1]
            if on_wait is not None:
                on_wait(error, wait_s)
            sleep(wait_s)


def _is_final(error: RunnerError) -> bool:
    return not isinstance(error, Unreachable) and error.status < 500 and error.status != 429


def _lines(chunks: Iterator[bytes]) -> Iterator[Line]:
    """Cut a stream at its newlines, and at nothing else that Unicode calls a line's end."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) > LINE_BYTES:
            raise RunnerError(f"the tail has a line of more than {LINE_BYTES:,} bytes")
        for line in whole:
            if line:
                yield _line(line)


def _line(raw: bytes) -> Line:
    try:
        line = msgspec.json.decode(raw, type=Line)
    except msgspec.DecodeError:
        raise RunnerError("the tail has a line that is no JSON") from None
    if not isinstance(line.get("cursor", line.get("eventId")), int):
        raise RunnerError("the tail has a line without a cursor")
    return line

"""The events of an instance, to its end: a subscription that goes on where it was cut off."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from wflow.client.answers import one
from wflow.client.exchange import Exchange, path_of
from wflow.client.logs import tail

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from wflow.client.exchange import Query
    from wflow.errors import RunnerError

LATEST: Final = "latest"

Event = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Happenings:
    """What happens to instances."""

    exchange: Exchange

    def follow(
        self,
        workflow: str,
        id_: str,
        *,
        filter: Sequence[str] = (),
        cursor: int | None = None,
        tries: int | None = None,
        on_wait: Callable[[RunnerError, float], None] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Followed:
        """Follow an instance, which may be `latest`, from its first event on, or from beyond ``cursor``.

        ``filter`` are types of events, or groups of them. Connects again as `logs.follow` does; raises
        RunnerError as that does.
        """
        if id_ == LATEST:  # which may be another one by the time that the connection breaks
            found = one(self.exchange.ask("GET", self._path(workflow, id_), query={"simple": True}))
            id_ = str(found["id"])
        query: Query = {"filter": ",".join(filter) or None, "cursor": cursor}
        path = self._path(workflow, id_, "subscribe")
        return Followed(id_, tail(self.exchange, path, query, tries=tries, on_wait=on_wait, sleep=sleep))

    def _path(self, workflow: str, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, "workflows", workflow, "instances", *parts)


class Followed:
    """The events as they come; ``ended`` is the status that the instance had when there were no more.

    It is `deleted` for one that was deleted meanwhile.
    """

    def __init__(self, id_: str, lines: Iterator[Event]) -> None:
        """Read ``lines``, of which the last says that it is done."""
        self.id = id_
        self.ended: str | None = None
        self._lines = lines

    def __iter__(self) -> Iterator[Event]:
        """Give each event once."""
        for line in self._lines:
            if line.get("done"):
                self.ended = str(line.get("status"))
                return
            if "type" in line:
                yield line

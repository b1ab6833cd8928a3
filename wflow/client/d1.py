"""Databases, asked over the API: queries, exports, imports, and time travel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from wflow.client.answers import Listed, Many, Shown, listed, many, one
from wflow.client.exchange import Exchange, path_of
from wflow.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from wflow.client.exchange import Query

QUERY_S: Final = 70.0
"""A call may wait for its turn, and then work, for 30 s each."""
RESTORE_S: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class D1:
    """The databases of a runner; each is named by its id or its name."""

    exchange: Exchange

    def list(self, *, name: str | None = None, page: int = 1, per_page: int | None = None) -> Listed:
        """List them by name."""
        query: Query = {"name": name, "page": page, "per_page": per_page}
        return listed(self.exchange.ask("GET", self._path(), query=query))

    def create(self, name: str, *, id_: str | None = None) -> Shown:
        """Make one; with an id the one that a config declares, if it is not there."""
        body = {"name": name} if id_ is None else {"name": name, "uuid": id_}
        return one(self.exchange.tell("POST", self._path(), body))

    def get(self, database: str) -> Shown:
        """Get one."""
        return one(self.exchange.ask("GET", self._path(database)))

    def delete(self, database: str) -> None:
        """Delete one with all it holds."""
        self.exchange.ask("DELETE", self._path(database))

    def query(self, database: str, sql: str, params: Sequence[object] = ()) -> Many:
        """Run SQL in one transaction; a result for each statement."""
        body = {"sql": sql, "params": list(params)}
        return many(self.exchange.tell("POST", self._path(database, "query"), body, timeout_s=QUERY_S))

    def bookmark(self, database: str, timestamp: str | None = None) -> Shown:
        """Give the bookmark of now, or of a time."""
        path = self._path(database, "time_travel", "bookmark")
        return one(self.exchange.ask("GET", path, query={"timestamp": timestamp}))

    def restore(self, database: str, bookmark: str) -> Shown:
        """Make it what it was at a bookmark."""
        path = self._path(database, "time_travel", "restore")
        return one(self.exchange.ask("POST", path, query={"bookmark": bookmark}, timeout_s=RESTORE_S))

    def export(
        self, database: str, *, no_data: bool, no_schema: bool, tables: Sequence[str]
    ) -> AbstractContextManager[Iterator[bytes]]:
        """Have it written as SQL; gives the bytes, to be read as they come. Raises RunnerError."""
        options = {"no_data": no_data, "no_schema": no_schema, "tables": list(tables)}
        body: dict[str, object] = {"output_format": "polling", "dump_options": options}
        said = self._until_done(database, "export", body, {"output_format": "polling"})
        path = self._path(database, "export", str(said["filename"]))
        return self.exchange.stream(path, query={}, accept="application/sql")

    def import_(self, database: str, etag: str, pieces: Iterable[bytes]) -> Shown:
        """Run a file of SQL with that MD5, all of it or nothing; gives the counts and the last bookmark."""
        path = self._path(database, "import")
        begun = one(self.exchange.tell("POST", path, {"action": "init", "etag": etag}))
        if "upload_url" in begun:
            self.exchange.pour(self._path(database, "import", str(begun["filename"])), pieces)
        body: dict[str, object] = {"action": "ingest", "etag": etag, "filename": f"{etag}.sql"}
        return self._until_done(database, "import", body, {"action": "poll"})

    def _until_done(
        self, database: str, what: str, body: dict[str, object], poll: dict[str, object]
    ) -> Shown:
        path = self._path(database, what)
        # Each answer waits a second for the end, so this is no busy loop.
        while True:
            said = one(self.exchange.tell("POST", path, body))
            match said.get("status"):
                case "complete":
                    result: Shown = said["result"]
                    return result
                case "error":
                    raise RunnerError(str(said.get("error")), status=400, number=7500)
            body = {**poll, "current_bookmark": said["at_bookmark"]}

    def _path(self, *parts: str) -> str:
        return path_of("accounts", self.exchange.remote.account, "d1", "database", *parts)

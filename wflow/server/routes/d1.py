"""`/d1/database`: databases, queries, and time travel, as Cloudflare's API has them."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import msgspec

from wflow.databases import limits
from wflow.databases.executing import Statement
from wflow.databases.faults import D1Error
from wflow.errors import InvalidInput
from wflow.server import bodies, pages, queries
from wflow.server.route import Answer, Call, Route
from wflow.server.scopes import DEPLOY, READ

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from wflow.databases.database import Database, Outcome
    from wflow.databases.databases import About

T = TypeVar("T")

QUERY_BYTES: Final = 16 * 1024 * 1024
"""The body of a query, with all its statements and parameters."""
PER_PAGE: Final = 100
VERSION: Final = "production"
"""What Cloudflare says of databases that are no longer alpha."""


class Refusal(D1Error):
    """What a query failed of, without the prefix that only bindings have."""

    def __init__(self, plain: str, *, hint: str | None = None) -> None:
        """Say the same."""
        super().__init__(plain, hint=hint)
        self.message = plain


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The body that makes a database; where it would lie on Cloudflare is of no matter here.

    With a ``uuid``, which is ours, it is made under that id unless it is there: what a config declares.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)]
    uuid: Annotated[str, msgspec.Meta(min_length=1, max_length=1_024)] | None = None
    jurisdiction: str | None = None
    primary_location_hint: str | None = None
    read_replication: Any = None


class Edited(msgspec.Struct, frozen=True, kw_only=True):
    """The body that changes one: nothing of what Cloudflare has can be changed here, but the name."""

    name: str | None = None
    read_replication: Any = None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One text of SQL, with parameters."""

    sql: str
    params: list[Any] = []


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a query: one text, or several that are a batch."""

    sql: str | None = None
    params: list[Any] = []
    batch: Annotated[list[Asked], msgspec.Meta(max_length=limits.BATCH)] | None = None


async def create(call: Call) -> Answer:
    """Make a database."""
    wish = await read_body(call, Made)
    databases = call.host.databases
    made = databases.create(wish.name) if wish.uuid is None else databases.ensure(wish.uuid, wish.name)
    about = await made
    return Answer(result=await _shown(call, about))


async def find(call: Call) -> Answer:
    """List databases by name, page by page."""
    found = await call.host.databases.find(queries.text(call.query, "name"))
    listed, info = pages.cut(call.query, found, per_page=PER_PAGE)
    return Answer(result=[_brief(each) for each in listed], info=info)


async def get(call: Call) -> Answer:
    """Get a database by its id or its name."""
    return Answer(result=await _shown(call, await about_of(call)))


async def edit(call: Call) -> Answer:
    """Change a database."""
    about = await about_of(call)
    wish = await read_body(call, Edited)
    if wish.name is not None and wish.name != about.name:
        about = await call.host.databases.rename(about.id, wish.name)
    return Answer(result=await _shown(call, about))


async def delete(call: Call) -> Answer:
    """Delete a database with all it holds."""
    await call.host.databases.delete(call.part("database"))
    return Answer()


async def query(call: Call) -> Answer:
    """Run SQL; rows are objects."""
    return Answer(result=await _run(call, raw=False))


async def raw(call: Call) -> Answer:
    """Run SQL; rows are arrays, under the names of their columns."""
    return Answer(result=await _run(call, raw=True))


async def bookmark(call: Call) -> Answer:
    """Give the bookmark of now, or of a time."""
    database = await database_of(call)
    at = queries.moment(call.query, "timestamp", now=call.host.now())
    return Answer(result={"bookmark": await _refusing(database.bookmark(at))})


async def restore(call: Call) -> Answer:
    """Make a database what it was."""
    database = await database_of(call)
    at = queries.moment(call.query, "timestamp", now=call.host.now())
    wanted = queries.text(call.query, "bookmark")
    if (at is None) == (wanted is None):
        raise InvalidInput("say a `bookmark` or a `timestamp`, one of them")
    if wanted is None:
        wanted = await _refusing(database.bookmark(at))
    after, before = await _refusing(database.restore(wanted))
    said = f"Restored to bookmark {wanted}. To undo, restore to {before}."
    return Answer(result={"bookmark": after, "previous_bookmark": before, "message": said})


async def about_of(call: Call) -> About:
    """Give what is known of the database that the path names; raises DatabaseNotFound."""
    return await call.host.databases.get(call.part("database"))


async def database_of(call: Call) -> Database:
    """Give the database that the path names, opened; raises DatabaseNotFound."""
    return await call.host.databases.open((await about_of(call)).id)


async def read_body(call: Call, kind: type[T], *, limit: int = bodies.JSON_BYTES) -> T:
    """Read a JSON body of a kind; raises InvalidInput."""
    given = await bodies.json(call.request, limit=limit, empty={})
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as wrong:
        raise InvalidInput(f"the request's body: {wrong}") from None


async def _run(call: Call, *, raw: bool) -> msgspec.Raw:
    database = await database_of(call)
    asked = await read_body(call, Query, limit=QUERY_BYTES)
    if (asked.sql is None) == (asked.batch is None):
        raise InvalidInput("a query has `sql`, or a `batch` of them")
    batch = asked.batch or [Asked(sql=asked.sql or "", params=asked.params)]
    statements = [Statement(each.sql, [_value(value) for value in each.params]) for each in batch]
    outcome = await _refusing(database.query(statements))
    # A large answer becomes JSON beside the loop.
    return msgspec.Raw(await asyncio.to_thread(_json, outcome, raw=raw))


async def _refusing(asked: Awaitable[T]) -> T:
    try:
        return await asked
    except D1Error as refused:
        raise Refusal(refused.plain, hint=refused.hint) from refused


def _json(outcome: Outcome, *, raw: bool) -> bytes:
    given: list[dict[str, object]] = []
    for answer in outcome.answers:
        rows = [_row(row) for row in answer.rows()]
        results: object = {"columns": answer.columns, "rows": rows}
        if not raw:
            results = [dict(zip(answer.columns, row, strict=True)) for row in rows]
        given.append({"success": True, "results": results, "meta": answer.meta})
    return msgspec.json.encode(given)


def _row(row: Sequence[object]) -> Sequence[object]:
    """Give blobs as Cloudflare does, as arrays of numbers."""
    if not any(type(value) is bytes for value in row):
        return row
    return [list(value) if isinstance(value, bytes) else value for value in row]


def _value(value: object) -> object:
    match value:
        case bool():
            return int(value)
        case None | str() | int() | float():
            return value
        case list() if all(isinstance(each, int) and 0 <= each < 256 for each in value):
            return bytes(value)
    said = json.dumps(value)[:80]
    raise InvalidInput(f"a parameter is null, a number, a string, a boolean or bytes, not {said}")


def _brief(about: About) -> dict[str, object]:
    at = datetime.fromtimestamp(about.created_at / 1000, UTC)
    return {
        "uuid": about.id,
        "name": about.name,
        "created_at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "version": VERSION,
    }


async def _shown(call: Call, about: About) -> dict[str, object]:
    database = await call.host.databases.open(about.id)
    size, tables = await database.describe()
    return {
        **_brief(about),
        "file_size": size,
        "num_tables": tables,
        "read_replication": {"mode": "disabled"},
    }


_ALL: Final = "/accounts/{account}/d1/database"
_ONE: Final = f"{_ALL}/{{database}}"

routes = [
    Route("GET", _ALL, READ, find),
    Route("POST", _ALL, DEPLOY, create),
    Route("GET", _ONE, READ, get),
    Route("PUT", _ONE, DEPLOY, edit),
    Route("PATCH", _ONE, DEPLOY, edit),
    Route("DELETE", _ONE, DEPLOY, delete),
    Route("POST", f"{_ONE}/query", DEPLOY, query),
    Route("POST", f"{_ONE}/raw", DEPLOY, raw),
    Route("GET", f"{_ONE}/time_travel/bookmark", READ, bookmark),
    Route("POST", f"{_ONE}/time_travel/restore", DEPLOY, restore),
]

"""D1: SQL on a SQLite database of its own, as Cloudflare's Workers have it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.databases import limits, splitting
from wflow.databases.executing import Answer, Statement
from wflow.databases.faults import NO_SQL, D1Error
from wflow.errors import InvalidInput
from wflow.wire.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from wflow.bindings.binding import Called, Send
    from wflow.bindings.control import Control
    from wflow.databases.database import Outcome

PLAIN_BYTES: Final = 64 * 1024
"""A larger answer crosses as it was encoded on the database's thread: the loop need not look into it."""
SHOWN_CHARS: Final = 100


class Rows(list[Any]):
    """A list, with the method by which Cloudflare's examples turn it into one."""

    __slots__ = ()

    def to_py(self) -> list[Any]:
        """Give it as it is."""
        return self


class Row(View):
    """A row, by its columns' names: ``row["name"]``, or ``row.name`` where no method is called so."""

    __slots__ = ()

    def to_py(self) -> dict[str, Any]:
        """Give a dict that may be changed."""
        return dict(self)


class Result(Row):
    """What a statement gave: ``success``, ``results`` (a list of rows) and ``meta``."""

    __slots__ = ()


class Prepared:
    """A statement, not run yet; `bind` makes another one of it, so it may be kept and used again."""

    __slots__ = ("_ask", "params", "statement")

    def __init__(self, ask: Asking, statement: str, params: Sequence[object] = ()) -> None:
        """Run it by ``ask``."""
        self._ask = ask
        self.statement = statement
        self.params = list(params)

    def bind(self, *values: object) -> Prepared:
        """Say what its `?` or `?NNN` stand for; raises D1Error (D1_TYPE_ERROR) for what SQL cannot hold."""
        return Prepared(self._ask, self.statement, [_value(each) for each in values])

    async def run(self) -> Result:
        """Run it; on disk when this returns."""
        return _result((await self._ask([self]))[0])

    async def all(self) -> Result:
        """Run it; the same as `run`."""
        return await self.run()

    async def first(self, column: str | None = None) -> Any:
        """Give the first row, or one column of it; None when there is none."""
        rows = (await self.run()).results
        if not rows or column is None:
            return rows[0] if rows else None
        if column not in dict(rows[0]):
            raise D1Error(f"Column not found ({column})", prefix="D1_COLUMN_NOTFOUND")
        return dict(rows[0])[column]

    async def raw(
        self, options: Mapping[str, Any] | None = None, *, column_names: bool = False, **more: Any
    ) -> Rows:
        """Give the rows as lists, with ``column_names`` (or ``columnNames``) those of the columns first."""
        given = {**(options or {}), **more}
        answer = (await self._ask([self]))[0]
        names = column_names or bool(given.get("columnNames", given.get("column_names")))
        return Rows(([answer["columns"]] if names else []) + _rows(answer))


class Session:
    """A view of the database that never goes back: each answer is at least as new as the one before."""

    def __init__(self, send: Send, since: str | None) -> None:
        """Begin at a constraint or a bookmark; None is no session."""
        self._ask = Asking(send, since)

    def prepare(self, query: str) -> Prepared:
        """Take a statement."""
        if not isinstance(query, str):
            raise D1Error(
                f"Type '{type(query).__name__}' not supported for a statement", prefix="D1_TYPE_ERROR"
            )
        return Prepared(self._ask, query)

    async def batch(self, statements: Iterable[Prepared]) -> Rows:
        """Run statements in one transaction: all of them or none; a result for each."""
        return Rows(_result(each) for each in await self._ask(list(statements)))

    def get_bookmark(self) -> str | None:
        """Give the bookmark of the last answer, None before the first."""
        return self._ask.bookmark

    getBookmark = get_bookmark  # noqa: N815 - Cloudflare's name


class D1(Session):
    """A database; what a method raises is a D1Error, whose message begins as Cloudflare's do."""

    def __init__(self, send: Send) -> None:
        """Call the provider by ``send``."""
        super().__init__(send, None)
        self._send = send

    def with_session(self, constraint: str | None = None) -> Session:
        """Begin a session: ``first-primary``, ``first-unconstrained``, or the bookmark of an earlier one."""
        return Session(self._send, constraint or "first-unconstrained")

    withSession = with_session  # noqa: N815 - Cloudflare's name

    async def exec(self, query: str) -> View:
        """Run statements without parameters, all or none; gives their ``count`` and ``duration`` in ms."""
        done: Any = await self._send("exec", [query])
        return View(done)

    async def dump(self) -> bytes:
        """Give the database as a SQLite file; for small ones."""
        dumped: Any = await self._send("dump", [])
        return bytes(dumped)


class Asking:
    """Sends statements, and remembers the bookmark of a session."""

    __slots__ = ("_send", "bookmark", "session")

    def __init__(self, send: Send, since: str | None) -> None:
        """Ask by ``send``; without ``since`` no bookmark is kept."""
        self._send = send
        self.session = since
        self.bookmark = None if since is None or since.startswith("first-") else since

    async def __call__(self, statements: Sequence[Prepared]) -> list[Any]:
        """Run statements; gives their answers."""
        if not all(isinstance(each, Prepared) for each in statements):
            raise D1Error("a batch takes what `prepare` gives", prefix="D1_TYPE_ERROR")
        asked = [[each.statement, each.params] for each in statements]
        given: Any = await self._send("query", [asked, self.bookmark or self.session])
        if self.session is not None:
            self.bookmark = given["bookmark"]
        return list(given["answers"])


stub = D1


async def serve(control: Control, target: str, call: Called) -> object:
    """Answer a call for the database ``target``."""
    match call.method, call.arguments:
        case "query", [list(asked), str() | None as since]:
            statements = _statements(asked)
            outcome = await _once(control, target, call, statements, since=since)
            return {"answers": await shown(outcome), "bookmark": outcome.bookmark}
        case "exec", [str(sql)]:
            return await _exec(control, target, call, sql)
        case "dump", []:
            return await (await control.databases.open(target)).dump()
    raise InvalidInput(f"D1 has no method {call.method!r} with {len(call.arguments)} such arguments")


async def _exec(control: Control, target: str, call: Called, sql: str) -> object:
    pieces = await asyncio.to_thread(splitting.split, sql) if len(sql) > PLAIN_BYTES else splitting.split(sql)
    if not pieces:
        raise D1Error(NO_SQL, prefix="D1_EXEC_ERROR")
    statements = [Statement(piece.sql) for piece in pieces]
    try:
        outcome = await _once(control, target, call, statements)
    except D1Error as refused:
        piece = pieces[min(refused.index, len(pieces) - 1)]
        text = f"Error in line {piece.line}: {piece.sql[:SHOWN_CHARS]}: {refused.plain}"
        raise D1Error(text, prefix="D1_EXEC_ERROR", hint=refused.hint) from refused
    duration = sum(each.meta["duration"] for each in outcome.answers)
    return {"count": len(outcome.answers), "duration": round(duration, 4)}


async def shown(outcome: Outcome) -> list[dict[str, Any]]:
    """Make of answers what crosses the link: small ones as values, large ones as they were encoded."""
    plain = sum(each.size for each in outcome.answers) <= PLAIN_BYTES
    return [_shown(each, plain=plain) for each in outcome.answers]


def _shown(answer: Answer, *, plain: bool) -> dict[str, Any]:
    given = {"columns": answer.columns, "meta": answer.meta}
    return {**given, "rows": list(answer.rows())} if plain else {**given, "chunks": answer.chunks}


async def _once(
    control: Control, target: str, call: Called, statements: Sequence[Statement], *, since: str | None = None
) -> Outcome:
    """Run statements; what a step writes is written once, however often the step is made again."""
    database = await control.databases.open(target)
    if call.instance is None or not call.key or all(_selects(each.sql) for each in statements):
        return await database.query(statements, since=since)
    attempt = (call.key, call.epoch, call.attempt)
    ticket = control.databases.attempts.take(target, attempt, statements)
    try:
        return await database.query(statements, since=since, effect=ticket.key)
    except Exception:
        ticket.give_back()
        raise


def _selects(sql: str) -> bool:
    """Tell whether a text is one statement that can but read: nothing of it has to be remembered."""
    return splitting.first_word(sql) == "select" and ";" not in sql.rstrip().removesuffix(";")


def _statements(asked: list[Any]) -> list[Statement]:
    if not asked:
        raise D1Error(NO_SQL)
    if len(asked) > limits.BATCH:
        raise D1Error(f"a batch takes {limits.BATCH:,} statements, not {len(asked):,}")
    found = []
    for each in asked:
        match each:
            case [str(sql), list(params)]:
                found.append(Statement(sql, [_value(value) for value in params]))
            case _:
                raise InvalidInput("D1 takes statements as their text and a list of values")
    return found


def _value(value: object) -> object:
    match value:
        case None | str() | float() | bytes():
            return value
        case bool():
            return int(value)
        case int() if -(2**63) <= value < 2**63:
            return value
        case bytearray() | memoryview():
            return bytes(value)
        case list() if all(isinstance(each, int) and 0 <= each < 256 for each in value):
            return bytes(value)
    said = str(value)[:SHOWN_CHARS]
    raise D1Error(
        f"Type '{type(value).__name__}' not supported for value '{said}'",
        prefix="D1_TYPE_ERROR",
        hint="None, a number of 64 bits, a text, bytes or a bool; json.dumps what else there is",
    )


def _rows(answer: Mapping[str, Any]) -> list[Any]:
    if "rows" in answer:
        return list(answer["rows"])
    return [row for chunk in answer["chunks"] for row in msgspec.msgpack.decode(chunk)]


def _result(answer: Mapping[str, Any]) -> Result:
    columns = answer["columns"]
    rows = Rows(Row(zip(columns, row, strict=True)) for row in _rows(answer))
    return Result(success=True, results=rows, meta=View(answer["meta"]))

"""Run SQL on a database: a command, or a file of any size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from wflow.cli import database, output, remote
from wflow.cli.database import Database
from wflow.cli.flags import Environment, Json, Local, LocalPort, Yes
from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = """
wflow d1 execute app --command "SELECT * FROM users"
wflow d1 execute DB --local --file schema.sql
wflow d1 execute DB --local --json --command "SELECT 1 AS one"
"""

Command = Annotated[str | None, typer.Option("--command", metavar="SQL", help="The SQL to run.")]
File = Annotated[
    Path | None, typer.Option("--file", metavar="FILE", help="A file of SQL: all of it is run, or nothing.")
]
_PIECE_BYTES: Final = 1024 * 1024
_BINARY: Final = b"SQLite format 3"


def command(
    name: Database,
    *,
    command: Command = None,
    file: File = None,
    environment: Environment = None,
    yes: Yes = False,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    del yes  # wrangler asks, as its database is away meanwhile; here it is not
    if (command is None) == (file is None):
        raise UsageError("say what to run with `--command` or `--file`, one of them")
    etag = "" if file is None else _digest(file)
    meant = database.meant(name, environment=environment)
    with remote.connect(local=local, port=port) as api:
        id_ = database.present(api, meant, local=local)
        if not json:
            where = "local" if local else "remote"
            output.say(f"🌀 Executing on {where} database {meant.name} ({id_}):")
        if file is not None:
            results = [_imported(api.d1.import_(id_, etag, _pieces(file)), json=json)]
        else:
            results = api.d1.query(id_, command or "")
    if json:
        return output.payload(results)
    if file is None:
        took = sum(each["meta"]["duration"] for each in results)
        output.say(f"🚣 Executed {output.count(len(results), 'command')} in {took:.2f}ms")
    database.show(results)
    return None


def _imported(said: dict[str, Any], *, json: bool) -> dict[str, Any]:
    meta, count, bookmark = said["meta"], said["num_queries"], said["final_bookmark"]
    if not json:
        output.say(
            f"🚣 Executed {count} queries in {meta['duration'] / 1000:.2f} seconds "
            f"({meta['rows_read']} rows read, {meta['rows_written']} rows written)\n"
            f"   Database is currently at bookmark {bookmark}."
        )
    summed = {
        "Total queries executed": count,
        "Rows read": meta["rows_read"],
        "Rows written": meta["rows_written"],
        "Database size (MB)": f"{meta['size_after'] / 1_000_000:.2f}",
    }
    return {"results": [summed], "success": True, "finalBookmark": bookmark, "meta": meta}


def _digest(file: Path) -> str:
    from hashlib import md5

    digest = md5(usedforsecurity=False)
    first = True
    for piece in _pieces(file):
        if first and piece.startswith(_BINARY):
            raise UsageError(
                f"`{file}` is a binary SQLite database file, not SQL text",
                hint="`.dump` it with sqlite3 first",
            )
        first = False
        digest.update(piece)
    return digest.hexdigest()


def _pieces(file: Path) -> Iterator[bytes]:
    try:
        with file.open("rb") as opened:
            while piece := opened.read(_PIECE_BYTES):
                yield piece
    except OSError as wrong:
        raise UsageError(f"cannot read `{file}`: {wrong.strerror}") from None

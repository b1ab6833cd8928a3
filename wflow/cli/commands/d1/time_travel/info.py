"""Give the bookmark of a database: of now, or of a time within the last 30 days."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import database, output, remote
from wflow.cli.database import Database
from wflow.cli.flags import Environment, Json, Local, LocalPort

EXAMPLES = """
wflow d1 time-travel info app
wflow d1 time-travel info DB --local --timestamp 2h
wflow d1 time-travel info app --timestamp 2026-11-22T07:30:00Z --json
"""

Timestamp = Annotated[
    str | None,
    typer.Option("--timestamp", metavar="TIME", help="Seconds since 1970, an ISO time, or 10m, 2h, 1d ago."),
]


def command(
    name: Database,
    *,
    timestamp: Timestamp = None,
    environment: Environment = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    meant = database.meant(name, environment=environment)
    with remote.connect(local=local, port=port) as api:
        id_ = database.present(api, meant, local=local)
        found = api.d1.bookmark(id_, database.instant(timestamp))
    if json:
        return output.payload(found)
    output.say("🚧 Time Traveling...")
    when = f"at {timestamp} was" if timestamp else "is"
    output.say(f"⚠️ The bookmark {when}:")
    output.data(found["bookmark"])
    where = remote.flags(local=local, port=port)
    output.say(f"To restore to it: wflow d1 time-travel restore {name} --bookmark {found['bookmark']}{where}")
    return None

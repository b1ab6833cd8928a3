"""Make a database what it was at a bookmark or a time; this can be undone the same way."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import asking, database, output, remote
from wflow.cli.commands.d1.time_travel.info import Timestamp
from wflow.cli.database import Database
from wflow.cli.flags import Environment, Json, Local, LocalPort, Yes
from wflow.errors import UsageError

EXAMPLES = """
wflow d1 time-travel restore app --timestamp 2h
wflow d1 time-travel restore DB --local --bookmark 00000000-0000024c-00000001-8e61117bf38d7adb71b934ebbf891683
"""

Bookmark = Annotated[
    str | None, typer.Option("--bookmark", metavar="BOOKMARK", help="Where it is to go back to.")
]


def command(
    name: Database,
    *,
    bookmark: Bookmark = None,
    timestamp: Timestamp = None,
    environment: Environment = None,
    yes: Yes = False,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    if (bookmark is None) == (timestamp is None):
        raise UsageError("Provide either a timestamp or a bookmark, one of them")
    meant = database.meant(name, environment=environment)
    with remote.connect(local=local, port=port) as api:
        id_ = database.present(api, meant, local=local)
        wanted = bookmark or str(api.d1.bookmark(id_, database.instant(timestamp))["bookmark"])
        if not json:
            output.say(f"🚧 Restoring database {meant.name} from bookmark {wanted}")
            output.say(f"⚠️ This will overwrite all data in database {meant.name}.")
            if not yes and not asking.confirmed("OK to proceed?"):
                return output.say("Nothing was changed.")
            output.say("⚡️ Time travel in progress...")
        done = api.d1.restore(id_, wanted)
    if json:
        return output.payload(done)
    output.say(f"✅ Database {meant.name} restored back to bookmark {wanted}")
    output.say("↩️ To undo this operation, you can restore to the previous bookmark:")
    return output.data(done["previous_bookmark"])

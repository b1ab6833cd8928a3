"""List the migrations that are not applied yet."""

from __future__ import annotations

from wflow.cli import database, migrating_sql, output, remote
from wflow.cli.database import Database
from wflow.cli.flags import Environment, Json, Local, LocalPort

EXAMPLES = """
wflow d1 migrations list DB --local
wflow d1 migrations list app --json
"""


def command(
    name: Database,
    *,
    environment: Environment = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    meant = database.meant(name, environment=environment)
    with remote.connect(local=local, port=port) as api:
        left = migrating_sql.missing(api, database.present(api, meant, local=local), meant)
    if json:
        output.payload([{"name": each} for each in left])
    elif left:
        output.say("Migrations to be applied:")
        output.table(("Name",), [(each,) for each in left])
    else:
        output.say("✅ No migrations to apply!")

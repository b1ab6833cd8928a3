"""Apply the migrations that are not applied yet; the first that fails is rolled back, and ends it."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import asking, database, migrating_sql, output, remote
from wflow.cli.database import Database
from wflow.cli.flags import Environment, Local, LocalPort, Yes
from wflow.errors import RunnerError

EXAMPLES = """
wflow d1 migrations apply DB --local
wflow d1 migrations apply app -y
"""

Force = Annotated[bool, typer.Option("--force", help="The same as --yes.")]


def command(
    name: Database,
    *,
    environment: Environment = None,
    yes: Yes = False,
    force: Force = False,
    local: Local = False,
    port: LocalPort = None,
) -> None:
    meant = database.meant(name, environment=environment)
    with remote.connect(local=local, port=port) as api:
        id_ = database.present(api, meant, local=local)
        left = migrating_sql.missing(api, id_, meant)
        if not left:
            return output.say("✅ No migrations to apply!")
        output.say("Migrations to be applied:")
        for each in left:
            output.say(f"  {each}")
        asked = f"About to apply {len(left)} migration(s). Ok to proceed?"
        if not (yes or force) and not asking.confirmed(asked):
            return output.say("Nothing was applied.")
        statuses = dict.fromkeys(left, "🕒️")
        for each in left:
            try:
                migrating_sql.apply(api, id_, meant, each)
            except RunnerError as refused:
                statuses[each] = "❌"
                output.table(("name", "status"), list(statuses.items()))
                raise RunnerError(
                    f"Migration {each} failed with the following error: {refused.message}",
                    hint="nothing of it was kept; those before it are applied",
                    status=refused.status,
                    number=refused.number,
                ) from refused
            statuses[each] = "✅"
        output.table(("name", "status"), list(statuses.items()))
    return None

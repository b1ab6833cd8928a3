"""Delete a database with all it holds."""

from __future__ import annotations

from wflow.cli import asking, database, output, remote
from wflow.cli.database import Database
from wflow.cli.flags import Environment, Local, LocalPort, Yes

EXAMPLES = """
wflow d1 delete app
wflow d1 delete DB --local -y
"""


def command(
    name: Database,
    *,
    environment: Environment = None,
    yes: Yes = False,
    local: Local = False,
    port: LocalPort = None,
) -> None:
    meant = database.meant(name, environment=environment)
    with remote.connect(local=local, port=port) as api:
        id_ = database.present(api, meant, local=False)
        output.say(f"About to delete the database '{meant.name}' ({id_}), with its history.")
        if not yes and not asking.confirmed("Ok to proceed?"):
            return output.say("Not deleted.")
        api.d1.delete(id_)
    return output.say(f"Deleted '{meant.name}' successfully.")

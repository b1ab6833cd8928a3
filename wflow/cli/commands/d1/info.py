"""Tell how large a database is, and where it stands."""

from __future__ import annotations

from wflow.cli import database, output, remote, when
from wflow.cli.database import Database
from wflow.cli.flags import Environment, Json, Local, LocalPort

EXAMPLES = """
wflow d1 info app
wflow d1 info DB --local --json
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
        id_ = database.present(api, meant, local=local)
        found = api.d1.get(id_)
        bookmark = api.d1.bookmark(id_)["bookmark"]
    if json:
        return output.payload({**found, "bookmark": bookmark})
    output.fields(
        [
            ("Name", found["name"]),
            ("Id", found["uuid"]),
            ("Created", when.local(found["created_at"])),
            ("Size", f"{found['file_size']:,} bytes"),
            ("Tables", str(found["num_tables"])),
            ("Bookmark", bookmark),
        ]
    )
    return None

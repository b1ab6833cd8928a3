"""Show a version of a Worker with what it is made of."""

from __future__ import annotations

from typing import Annotated

import typer

from wflow.cli import output, remote, shipped, versions
from wflow.cli.flags import Config, Environment, Json
from wflow.cli.versions import WorkerName

EXAMPLES = """
wflow versions view 0f2e91c4-77aa-4c1b-9d3e-5a6b7c8d9e0f
wflow versions view 7
wflow versions view 0f2e --json
"""


def command(
    version: Annotated[
        str, typer.Argument(metavar="VERSION", help="Its id, the beginning of it, or its number.")
    ],
    *,
    name: WorkerName = None,
    environment: Environment = None,
    config: Config = None,
    json: Json = False,
) -> None:
    worker = versions.worker(name, config, environment)
    with remote.connect() as api:
        chosen = versions.pick(api.scripts.versions(worker), version)
        found = api.scripts.version(worker, chosen["id"])
        live = [] if json else api.scripts.deployments(worker, per_page=1).items
    if json:
        output.payload(found)
        return
    made_of = found["resources"]
    share = versions.shares(live[0] if live else None).get(found["id"])
    output.fields(
        [
            *versions.facts(found, share),
            ("Digest", found["digest"]),
            ("Size", shipped.kib(found["size_bytes"])),
            ("Handlers", ", ".join(made_of["script"]["handlers"])),
            ("Workflows", ", ".join(found["workflows"]) or "-"),
            ("Python", made_of["script_runtime"]["python"]),
            ("Compatibility Date", made_of["script_runtime"].get("compatibility_date", "-")),
        ]
    )
    shipped.show_bindings(made_of["bindings"])

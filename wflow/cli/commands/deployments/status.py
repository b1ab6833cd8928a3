"""Show which versions of a Worker are live."""

from __future__ import annotations

from wflow.cli import output, remote, versions
from wflow.cli.flags import Config, Environment, Json
from wflow.cli.versions import WorkerName
from wflow.errors import UsageError

EXAMPLES = """
wflow deployments status
wflow deployments status --name my-worker --json
"""


def command(
    *,
    name: WorkerName = None,
    environment: Environment = None,
    config: Config = None,
    json: Json = False,
) -> None:
    worker = versions.worker(name, config, environment)
    with remote.connect() as api:
        live = api.scripts.deployments(worker, per_page=1).items
        kept = {} if json else {one["id"]: one for one in api.scripts.versions(worker)}
    if not live:
        raise UsageError(
            f"the Worker {worker} has no deployments",
            hint="`wflow versions deploy VERSION@100` makes one of its versions live",
        )
    if json:
        output.payload(live[0])
    else:
        versions.show_deployment(live[0], kept)

"""List the last deployments of a Worker, the newest at the end."""

from __future__ import annotations

from wflow.cli import output, remote, versions
from wflow.cli.flags import Config, Environment, Json, Page, PerPage
from wflow.cli.versions import WorkerName

EXAMPLES = """
wflow deployments list
wflow deployments list --name my-worker --page 2 --json
"""


def command(
    *,
    name: WorkerName = None,
    page: Page = 1,
    per_page: PerPage = versions.LISTED,
    environment: Environment = None,
    config: Config = None,
    json: Json = False,
) -> None:
    worker = versions.worker(name, config, environment)
    with remote.connect() as api:
        listed = api.scripts.deployments(worker, page=page, per_page=per_page)
        kept = {} if json else {one["id"]: one for one in api.scripts.versions(worker)}
    if json:
        output.payload(listed.items[::-1])
    elif listed.items:
        for number, deployment in enumerate(reversed(listed.items)):
            if number:
                output.data("")
            versions.show_deployment(deployment, kept)
        output.say_page(page, len(listed.items), listed.info)
    elif page > 1:
        output.say(f"No deployments found on page {page}. Please try a smaller page number.")
    else:
        output.say(f"The Worker {worker} has no deployments. `wflow versions deploy` makes one.")

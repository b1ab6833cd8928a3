"""List a Worker's crons and its workflows' schedules, with when they fire next."""

from __future__ import annotations

from wflow.cli import output, remote, versions, when
from wflow.cli.flags import Config, Environment, Json, Local, LocalPort
from wflow.cli.versions import WorkerName

EXAMPLES = """
wflow cron list
wflow cron list --local --json
"""


def command(
    *,
    name: WorkerName = None,
    environment: Environment = None,
    config: Config = None,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    worker = versions.worker(name, config, environment)
    with remote.connect(local=local, port=port) as api:
        found = api.scripts.schedules(worker)
    if json:
        output.payload(found)
    elif found:
        rows = [
            (each["cron"], each.get("workflow") or "scheduled()", when.local(each["next_on"]))
            for each in found
        ]
        output.table(("Cron (UTC)", "Fires", "Next"), rows)
    else:
        output.say(f"{worker} has no crons and no schedules; `[triggers] crons` in wflow.toml are some.")

"""Make an earlier version of a Worker live again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from wflow.cli import asking, output, remote, versions
from wflow.cli.flags import Config, Environment, Json, Yes
from wflow.cli.versions import WorkerName
from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Shown = Mapping[str, Any]

EXAMPLES = """
wflow rollback
wflow rollback 7 --message "payments fail" --yes
wflow rollback 0f2e91c4 --name my-worker --json
"""

_REASON = "Rollback"
_REMEMBERED = 100


def command(
    version: Annotated[
        str | None,
        typer.Argument(
            metavar="VERSION",
            help="Its id, the beginning of it, or its number; by default the one before the live one.",
        ),
    ] = None,
    *,
    message: Annotated[
        str | None, typer.Option("--message", "-m", metavar="TEXT", help="The reason.")
    ] = None,
    yes: Yes = False,
    name: WorkerName = None,
    environment: Environment = None,
    config: Config = None,
    json: Json = False,
) -> None:
    worker = versions.worker(name, config, environment)
    with remote.connect() as api:
        found = api.scripts.versions(worker)
        made = api.scripts.deployments(worker, per_page=_REMEMBERED).items
        kept = {one["id"]: one for one in found}
        if not json:
            versions.show_live(made[0] if made else None, kept)
        chosen = versions.pick(found, version) if version else _before(made, kept)
        if made and versions.shares(made[0]) == {chosen["id"]: 100}:
            raise UsageError(f"{versions.brief(chosen)} is live already, with all of the traffic")
        if message is None:
            question = "Why this rollback?"
            message = _REASON if yes else asking.answered(question, _REASON)
        if not json:
            _warn(chosen)
        if not yes and not asking.confirmed("Deploy this version to 100% of the traffic?"):
            raise typer.Abort
        deployment = api.scripts.release(worker, {chosen["id"]: 100}, message=message, trigger="rollback")
    if json:
        output.payload(deployment)
        return
    output.data(f"Worker Version {versions.brief(chosen)} has been deployed to 100% of traffic.")
    output.data(f"Current Version ID: {chosen['id']}")


def _before(made: Sequence[Shown], kept: Mapping[str, Shown]) -> Shown:
    """Find the last version that had all of the traffic before what is live now."""
    main = made[0]["versions"][0]["version_id"] if made else None
    for deployment in made[1:]:
        ids = list(versions.shares(deployment))
        if len(ids) == 1 and ids[0] != main and ids[0] in kept:
            return kept[ids[0]]
    raise UsageError(
        "there is no earlier version to go back to",
        hint="name one: `wflow rollback VERSION`; `wflow versions list` shows them",
    )


def _warn(chosen: Shown) -> None:
    output.say(
        f"You are about to go back to {versions.brief(chosen)}, with all new requests and instances.\n"
        "Instances that have begun stay on the version they began with.\n"
        "What is bound to the Worker (key-value namespaces, instances) is not rolled back."
    )

"""Make one version of a Worker live, or two that share new requests and instances."""

from __future__ import annotations

import sys
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from wflow.cli import asking, output, remote, splitting, versions
from wflow.cli.flags import Config, Environment, Json, Yes
from wflow.cli.versions import WorkerName
from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

EXAMPLES = """
wflow versions deploy 7@100
wflow versions deploy 7@10 6@90 --message "retry payments, slowly"
wflow versions deploy 0f2e91c4@12.5 a1b2c3d4
wflow versions deploy --version-tag v1.4.0@100 --dry-run
"""


Specs = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="VERSION[@PERCENT]...",
        help="One or two versions, each by its id, the beginning of it, or its number. "
        "Without a percentage one gets what the other leaves. Asked for in a terminal.",
    ),
]
VersionIds = Annotated[
    list[str] | None, typer.Option("--version-id", metavar="VERSION", help="A version; may be repeated.")
]
Percentages = Annotated[
    list[float] | None,
    typer.Option("--percentage", metavar="PERCENT", help="The share of the same --version-id."),
]
VersionTags = Annotated[
    list[str] | None,
    typer.Option("--version-tag", metavar="TAG[@PERCENT]", help="A version by its tag; may be repeated."),
]


def command(
    specs: Specs = None,
    *,
    version_id: VersionIds = None,
    percentage: Percentages = None,
    version_tag: VersionTags = None,
    message: Annotated[
        str | None, typer.Option("--message", "-m", metavar="TEXT", help="What this deployment is about.")
    ] = None,
    yes: Yes = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything but deploy.")] = False,
    name: WorkerName = None,
    environment: Environment = None,
    config: Config = None,
    json: Json = False,
) -> None:
    wanted = [splitting.parse(one) for one in specs or []]
    wanted += _paired(version_id or [], percentage or [])
    wanted += [splitting.parse(one, by_tag=True) for one in version_tag or []]
    asks = not wanted and not yes and sys.stdin.isatty() and sys.stderr.isatty()
    if not wanted and not asks:
        raise UsageError("which version?", hint="name it: `wflow versions deploy 7@100`")
    worker = versions.worker(name, config, environment)
    with remote.connect() as api:
        found = api.scripts.versions(worker)
        live = next(iter(api.scripts.deployments(worker, per_page=1).items), None)
        if not json:
            versions.show_live(live, {one["id"]: one for one in found})
        traffic = splitting.resolve(wanted or splitting.ask(found, versions.shares(live)), found)
        if asks and message is None:
            message = asking.answered("What is this deployment about?", "")
        if not json:
            _plan(traffic)
        if dry_run:
            _stop(worker, traffic, json=json)
            return
        if asks and not asking.confirmed("Deploy?"):
            raise typer.Abort
        begun = perf_counter()
        shares = {version["id"]: share for version, share in traffic}
        deployment = api.scripts.release(worker, shares, message=message or "", trigger="deployment")
    if json:
        output.payload(deployment)
        return
    told = " and ".join(f"version {version['id']} at {share:g}%" for version, share in traffic)
    output.data(f"Deployed {worker} {told} ({perf_counter() - begun:.2f} sec)")


def _paired(ids: Sequence[str], percentages: Sequence[float]) -> list[splitting.Spec]:
    if len(percentages) > len(ids):
        raise UsageError("there are more `--percentage` than `--version-id`")
    shares: list[float | None] = [*percentages, *[None] * (len(ids) - len(percentages))]
    return [splitting.Spec(text=id_, percentage=share) for id_, share in zip(ids, shares, strict=True)]


def _plan(traffic: Sequence[tuple[Mapping[str, Any], float]]) -> None:
    output.say(f"To be live: {output.count(len(traffic), 'version')}")
    for version, share in traffic:
        output.say(f"  ({share:g}%) {versions.brief(version)}")


def _stop(worker: str, traffic: Sequence[tuple[Mapping[str, Any], float]], *, json: bool) -> None:
    if json:
        shares = [{"version_id": version["id"], "percentage": share} for version, share in traffic]
        output.payload({"dry_run": True, "name": worker, "versions": shares})
    else:
        output.data("--dry-run: exiting now.")

"""Versions and deployments on the command line: how a person names them, and how they are shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from wflow.cli import output, when
from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Shown = Mapping[str, Any]

WorkerName = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="The Worker, if not the project's own.")
]
VersionMessage = Annotated[
    str, typer.Option("--message", "-m", metavar="TEXT", help="What this version is about.")
]
VersionTag = Annotated[str, typer.Option("--tag", metavar="TAG", help="A name of your own for it.")]
PREFIX_CHARS: Final = 4
"""The least that names a version by the beginning of its id."""
LISTED: Final = 10
"""How many are shown of a long list, as wrangler has it."""

_NONE: Final = "-"
_SOURCES: Final = {"upload": "Upload", "rollback": "Rollback", "deployment": "Deployment"}


def worker(name: str | None, config: Path | None, environment: str | None) -> str:
    """Give the name of the Worker that is meant; raises ConfigError where there is no project either."""
    if name is not None:
        return name
    from wflow.config import load

    return load.load(path=config, environment=environment).name


def pick(found: Sequence[Shown], text: str) -> Shown:
    """Find the version that an id, the beginning of one, or a number names; raises UsageError."""
    wanted = text.strip().lower()
    fitting = [
        one
        for one in found
        if str(one["number"]) == wanted or (len(wanted) >= PREFIX_CHARS and one["id"].startswith(wanted))
    ]
    if len(fitting) == 1:
        return fitting[0]
    exact = [one for one in fitting if one["id"] == wanted]
    if exact:
        return exact[0]
    listed = fitting or found[:LISTED]
    problem = "names more than one version" if fitting else "is no version of this Worker"
    raise UsageError(
        f"`{text}` {problem}",
        hint="there are " + ", ".join(brief(one) for one in listed) + _more(found, listed, fitting),
    )


def brief(version: Shown) -> str:
    """Name a version in a sentence."""
    return f"{version['id']} (number {version['number']})"


def facts(version: Shown, share: float | None = None) -> Iterator[tuple[str, str]]:
    """Give what is told of a version, and what part of the traffic it gets now."""
    yield "Version ID", version["id"]
    yield "Number", str(version["number"])
    yield "Created", when.local(version["created_on"])
    yield "Author", version["author"] or _NONE
    yield "Source", source(version)
    yield "Tag", version["tag"] or _NONE
    yield "Message", version["message"] or _NONE
    if share is not None:
        yield "Live", f"{share:g}%"


def show_deployment(deployment: Shown, versions: Mapping[str, Shown]) -> None:
    """Print a deployment with its versions, of which those that are no longer kept have only their ids."""
    output.fields(
        [
            ("Created", when.local(deployment["created_on"])),
            ("Author", deployment["author_email"] or _NONE),
            ("Source", source(deployment)),
            ("Message", deployment["annotations"].get("workers/message") or _NONE),
            ("Version(s)", "\n".join(_traffic(deployment, versions))),
        ]
    )


def show_live(deployment: Shown | None, versions: Mapping[str, Shown]) -> None:
    """Say what is live now, to a person who is about to change it."""
    if deployment is None:
        output.say("Nothing of this Worker is live yet.")
        return
    output.say(f"Your current deployment has {output.count(len(deployment['versions']), 'version')}:")
    for line in _traffic(deployment, versions):
        output.say(f"  {output.printable(line)}")


def shares(deployment: Shown | None) -> dict[str, float]:
    """Give the share of each version that a deployment has made live."""
    return (
        {} if deployment is None else {one["version_id"]: one["percentage"] for one in deployment["versions"]}
    )


def source(one: Shown) -> str:
    """Say what made a version or a deployment."""
    trigger = one["annotations"].get("workers/triggered_by", "")
    return _SOURCES.get(trigger, trigger) or _NONE


def _traffic(deployment: Shown, versions: Mapping[str, Shown]) -> Iterator[str]:
    for one in deployment["versions"]:
        version = versions.get(one["version_id"])
        yield f"({one['percentage']:g}%) {one['version_id']}"
        if version is None:
            yield "     no longer kept"
            continue
        yield f"     Number:   {version['number']}"
        yield f"     Created:  {when.local(version['created_on'])}"
        yield f"     Tag:      {version['tag'] or _NONE}"
        yield f"     Message:  {version['message'] or _NONE}"


def _more(found: Sequence[Shown], listed: Sequence[Shown], fitting: Sequence[Shown]) -> str:
    hidden = 0 if fitting else len(found) - len(listed)
    return f" and {hidden} more" if hidden else ""

"""Describe one workflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wflow.cli import output, remote, when
from wflow.cli.flags import Json, Local, LocalPort, Workflow

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

EXAMPLES = """
wflow workflows describe my-workflow
wflow workflows describe my-workflow --local --json
"""


def command(name: Workflow, *, local: Local = False, port: LocalPort = None, json: Json = False) -> None:
    with remote.connect(local=local, port=port) as api:
        found = api.workflows.get(name)
    if json:
        output.payload(found)
        return
    output.fields(
        [
            ("Name", found["name"]),
            ("Id", found["id"]),
            ("Script Name", found["script_name"]),
            ("Class Name", found["class_name"]),
            ("Created On", when.local(found["created_on"])),
            ("Modified On", when.local(found["modified_on"])),
            *_limits(found),
        ]
    )
    numbers = {status: number for status, number in found["instances"].items() if number}
    output.data("Instances:" if numbers else "Instances:  none")
    output.fields([(status, f"{number:,}") for status, number in numbers.items()], indent=2)


def _limits(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Tell how many of its instances may run, begin and be created, as far as its config says so."""
    concurrency, limits = found.get("concurrency") or {}, found.get("limits") or {}
    if "limit" in concurrency:
        yield "Running At Once", f"{concurrency['limit']:,}"
    if "key" in concurrency:
        yield "Running Per Key", f"{concurrency['per_key']:,} with the same params.{concurrency['key']}"
    if "rate" in concurrency:
        yield "Start Rate", concurrency["rate"]
    if "creations" in limits:
        yield "Creation Rate", limits["creations"]

"""Describe one workflow."""

from __future__ import annotations

from wflow.cli import output, remote, when
from wflow.cli.flags import Json, Local, LocalPort, Workflow

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
        ]
    )
    numbers = {status: number for status, number in found["instances"].items() if number}
    output.data("Instances:" if numbers else "Instances:  none")
    output.fields([(status, f"{number:,}") for status, number in numbers.items()], indent=2)

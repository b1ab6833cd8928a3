"""List the workflows of a runner."""

from __future__ import annotations

from wflow.cli import output, remote, when
from wflow.cli.flags import Json, Local, LocalPort, Page, PerPage

EXAMPLES = """
wflow workflows list
wflow workflows list --local
"""


def command(
    *,
    page: Page = 1,
    per_page: PerPage = 25,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    with remote.connect(local=local, port=port) as api:
        listed = api.workflows.list(page=page, per_page=per_page)
    if json:
        output.payload(listed.items)
    elif listed.items:
        output.table(
            ("Name", "Script name", "Class name", "Created", "Modified"),
            [
                (
                    each["name"],
                    each["script_name"],
                    each["class_name"],
                    when.local(each["created_on"]),
                    when.local(each["modified_on"]),
                )
                for each in listed.items
            ],
        )
        output.say_page(page, len(listed.items), listed.info)
    elif page > 1:
        output.say(f"No workflows found on page {page}. Please try a smaller page number.")
    else:
        output.say("There are no workflows yet. `wflow deploy` brings those of a project.")

"""List the databases of the runner."""

from __future__ import annotations

from wflow.cli import output, remote, when
from wflow.cli.flags import Json, Local, LocalPort, Page, PerPage

EXAMPLES = """
wflow d1 list
wflow d1 list --local --json
"""


def command(
    *,
    page: Page = 1,
    per_page: PerPage = 100,
    local: Local = False,
    port: LocalPort = None,
    json: Json = False,
) -> None:
    with remote.connect(local=local, port=port) as api:
        listed = api.d1.list(page=page, per_page=per_page)
    if json:
        output.payload(listed.items)
    elif listed.items:
        rows = [(each["uuid"], each["name"], when.local(each["created_at"])) for each in listed.items]
        output.table(("Id", "Name", "Created"), rows)
        output.say_page(page, len(rows), listed.info)
    else:
        output.say("There are no databases. `wflow d1 create NAME` makes one.")

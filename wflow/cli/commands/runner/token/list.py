"""List the tokens of a runner, without their secrets."""

from __future__ import annotations

from wflow.cli import output, remote, when
from wflow.cli.flags import DataDir, Json, Token, Url

EXAMPLES = """
wflow runner token list
wflow runner token list --data-dir ./runner --json
"""


def command(*, url: Url = None, token: Token = None, data_dir: DataDir = None, json: Json = False) -> None:
    with remote.connect_as_admin(url=url, token=token, data_dir=data_dir) as api:
        found = api.tokens.list()
    if json:
        output.payload(found)
    elif found:
        rows = [(each["name"], each["scope"], each["id"], when.local(each["created_on"])) for each in found]
        output.table(("Name", "Scope", "Id", "Created"), rows)
    else:
        output.say("There are no tokens. `wflow runner token create NAME` makes one.")

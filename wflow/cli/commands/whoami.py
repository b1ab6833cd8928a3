"""Show which runner you are logged in to, and what your token may do."""

from __future__ import annotations

from wflow.cli import output, remote
from wflow.cli.flags import Json

EXAMPLES = """
wflow whoami
wflow whoami --json             # ends with 1 when you are logged out
"""


def command(*, json: Json = False) -> None:
    login = remote.login()
    with remote.connect_as(login) as api:
        known = api.verify()
    if json:
        output.payload({"url": login.url, "source": login.source, **known})
        return
    output.fields(
        [
            ("Runner", login.url),
            ("Token", known["name"]),
            ("Scope", known["scope"]),
            ("Known from", login.source),
        ]
    )

"""Print the JSON Schema of the config file, for editors that complete and check it."""

from __future__ import annotations

from wflow.cli import output

EXAMPLES = """
wflow schema > wflow.schema.json
"""


def command() -> None:
    from wflow.config.schema import schema

    output.payload(schema())

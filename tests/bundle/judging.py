"""Cases of the checks: code in which a comment `# !WF101` says which rule its line breaks."""

from __future__ import annotations

import re
from textwrap import dedent, indent

EXPECTED = re.compile(r"# !(WF\d+(?: WF\d+)*)")


def workflow(body: str, *, imports: str = "") -> str:
    """Put a body into the `run` of a workflow."""
    head = "from wflow import WorkflowEntrypoint\n\nclass Orders(WorkflowEntrypoint):\n"
    run = "    async def run(self, event, ctx):\n" + indent(dedent(body).strip("\n"), " " * 8) + "\n"
    return dedent(imports).strip("\n") + "\n" + head + run


def expected(code: str) -> list[tuple[int, str]]:
    """Read the comments: which lines break which rules."""
    return sorted(
        (number, rule)
        for number, line in enumerate(code.splitlines(), 1)
        if (said := EXPECTED.search(line))
        for rule in said[1].split()
    )

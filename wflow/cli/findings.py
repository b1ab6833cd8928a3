"""How a finding in workflow code is shown: for a person, an editor and a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wflow.bundle.lint import Finding
    from wflow.bundle.rules import Rule


def text(finding: Finding) -> str:
    """Say `path:line:column RULE message`, which editors and terminals make a link of, and a hint below."""
    where = f"{finding.path}:{finding.line}:{finding.column}"
    hint = f"\n    hint: {finding.hint}" if finding.hint else ""
    return f"{where} {finding.rule} {finding.message}{hint}"


def plain(finding: Finding) -> dict[str, object]:
    """Give the finding as JSON has it; the end is null where only its beginning is meant."""
    return {
        "rule": finding.rule,
        "path": str(finding.path),
        "line": finding.line,
        "column": finding.column,
        "end_line": finding.end_line,
        "end_column": finding.end_column,
        "message": finding.message,
        "hint": finding.hint,
    }


def explained(name: str, rule: Rule) -> str:
    """Say of a rule what it is about, why, and what to write instead."""
    lines = [f"{name}: {rule.title}", "", rule.why, "", rule.instead]
    if rule.wrong:
        lines += ["", f"    {rule.wrong}    # {name}"]
    if rule.right:
        lines += [f"    {rule.right}"]
    silenced = f"`# wflow: ignore[{name}]` at the end of a line silences it there."
    return "\n".join([*lines, "", silenced] if name not in {"WF000", "WF001"} else lines)

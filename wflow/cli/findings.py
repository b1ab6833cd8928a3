"""How a finding in workflow code is shown: for a person, an editor and a program."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wflow.bundle.lint import Finding


def text(finding: Finding) -> str:
    """Say `path:line:column RULE message`, which editors and terminals make a link of, and a hint below."""
    where = f"{finding.path}:{finding.line}:{finding.column}"
    hint = f"\n    hint: {finding.hint}" if finding.hint else ""
    return f"{where} {finding.rule} {finding.message}{hint}"


def plain(finding: Finding) -> dict[str, object]:
    """Give the finding as JSON has it."""
    return {
        "rule": finding.rule,
        "path": str(finding.path),
        "line": finding.line,
        "column": finding.column,
        "message": finding.message,
        "hint": finding.hint,
    }

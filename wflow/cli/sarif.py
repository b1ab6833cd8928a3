"""Findings as SARIF 2.1.0, which code hosts and editors show beside the code."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bundle.lint import Finding
    from wflow.bundle.rules import Rule

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_BASE: Final = "PROJECT"


def log(findings: Sequence[Finding], root: Path) -> dict[str, object]:
    """Write one run over the project in ``root``; all rules are in it, broken or not."""
    from wflow import __version__
    from wflow.bundle.rules import RULES

    places = {name: place for place, name in enumerate(RULES)}
    results = [
        {
            "ruleId": finding.rule,
            "ruleIndex": places[finding.rule],
            "level": RULES[finding.rule].level,
            "message": {"text": f"{finding.message}\n{finding.hint}" if finding.hint else finding.message},
            "locations": [{"physicalLocation": _location(finding)}],
        }
        for finding in findings
    ]
    rules = [_rule(name, rule) for name, rule in RULES.items()]
    run = {
        "tool": {"driver": {"name": "wflow", "version": __version__, "rules": rules}},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {_BASE: {"uri": f"{root.absolute().as_uri()}/"}},
        "results": results,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(name: str, rule: Rule) -> dict[str, object]:
    return {
        "id": name,
        "shortDescription": {"text": rule.title},
        "fullDescription": {"text": rule.why},
        "help": {"text": rule.instead},
        "defaultConfiguration": {"level": rule.level},
    }


def _location(finding: Finding) -> dict[str, object]:
    region = {"startLine": finding.line, "startColumn": finding.column}
    if finding.end_line is not None and finding.end_column is not None:
        region |= {"endLine": finding.end_line, "endColumn": finding.end_column}
    return {"artifactLocation": {"uri": quote(finding.path), "uriBaseId": _BASE}, "region": region}

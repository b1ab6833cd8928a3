"""What is found while a workflow is read, before comments have silenced any of it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TypeAlias

Node: TypeAlias = ast.expr | ast.stmt | ast.excepthandler


@dataclass(frozen=True, slots=True, kw_only=True)
class Offence:
    """A rule that is broken, by which piece of code, in which file."""

    rule: str
    path: str
    node: Node
    message: str
    hint: str
    origin: tuple[str, int] | None = None
    """File and line of the cause, when that is elsewhere: a comment there silences it too."""


def shown(expression: ast.expr) -> str:
    """Write a piece of code, cut to what fits in a sentence."""
    text = ast.unparse(expression)
    return text if len(text) <= 40 else f"{text[:37]}..."

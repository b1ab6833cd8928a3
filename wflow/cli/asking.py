"""Questions to a person; where there is none, the answer is taken that goes on, and said."""

from __future__ import annotations

import sys

import typer

from wflow.cli import output


def confirmed(question: str) -> bool:
    """Ask for a yes; it is no unless the person says so, and yes where nobody can be asked."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        return typer.confirm(question, default=False, err=True)
    output.say(f"{question} Yes, as there is no terminal to ask on.")
    return True

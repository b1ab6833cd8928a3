"""Questions to a person; where there is none, the answer is taken that goes on, and said."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from wflow.cli import output

if TYPE_CHECKING:
    from collections.abc import Mapping


def confirmed(question: str) -> bool:
    """Ask for a yes; it is no unless the person says so, and yes where nobody can be asked."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        return typer.confirm(question, default=False, err=True)
    output.say(f"{question} Yes, as there is no terminal to ask on.")
    return True


def chosen(question: str, options: Mapping[str, str], *, default: str) -> str:
    """Ask for one of ``options``, each with what it means; it is ``default`` where nobody can be asked."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        output.say(f"{question} {default}, as there is no terminal to ask on.")
        return default
    for option, means in options.items():
        output.say(f"  {option}: {means}")
    while True:
        given = (
            str(typer.prompt(f"{question} ({'/'.join(options)})", default=default, err=True)).strip().lower()
        )
        found = [option for option in options if given and option.startswith(given)]
        if len(found) == 1:
            return found[0]
        output.say(f"Say one of {', '.join(options)}.")


def answered(question: str, default: str) -> str:
    """Ask for a line of text; where nobody can be asked it is the default, and that is said."""
    if sys.stdin.isatty() and sys.stderr.isatty():
        answer: str = typer.prompt(question, default=default, err=True)
        return answer
    output.say(f"{question} {default or '(nothing)'}, as there is no terminal to ask on.")
    return default

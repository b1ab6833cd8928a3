"""What the command line prints: data on stdout, talk on stderr, and never a meaning in colour alone."""

from __future__ import annotations

import json
import os
import re
import sys
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_STYLES: Final = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def data(text: str) -> None:
    """Print what was asked for."""
    print(text, file=sys.stdout)  # noqa: T201  this is where printing is done


def raw(pieces: Iterable[bytes]) -> None:
    """Print bytes that were asked for, as they are."""
    sys.stdout.flush()
    for piece in pieces:
        sys.stdout.buffer.write(piece)
    sys.stdout.buffer.flush()


def say(text: str = "") -> None:
    """Print talk: progress, hints, questions; a pipe does not get it."""
    sys.stdout.flush()  # so that a terminal shows both in the order they were printed
    print(text, file=sys.stderr)  # noqa: T201


def warn(text: str) -> None:
    """Print what the person should know and need not mend."""
    say(f"{paint('warning:', 'yellow', sys.stderr)} {text}")


def payload(value: object) -> None:
    """Print an answer of the API as JSON for a program."""
    data(json.dumps(value, indent=2, ensure_ascii=False))


def line(value: object) -> None:
    """Print one line of JSON at once; for what never ends."""
    data(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    sys.stdout.flush()


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, indent: int = 0) -> None:
    """Print columns: fitted to a terminal, or as plain text that no width cuts short."""
    clean = [[printable(cell).replace("\n", " ") for cell in row] for row in rows]
    if sys.stdout.isatty():
        _fitted(head, clean, indent)
        return
    widths = [max(len(cell) for cell in column) for column in zip(head, *clean, strict=True)]
    for row in [head, *clean]:
        cells = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        data(f"{'':{indent}}{'  '.join(cells)}".rstrip())


def say_page(page: int, shown: int, info: Mapping[str, object]) -> None:
    """Say that a list goes on, when the API counted more than what was shown, or knows of more."""
    total, per_page = info.get("total_count"), info.get("per_page")
    if isinstance(total, int) and isinstance(per_page, int):
        if (page - 1) * per_page + shown < total:
            say(f"Showing {shown:,} of {total:,}; `--page {page + 1}` goes on.")
    elif info.get("cursor"):
        say(f"There are more; `--page {page + 1}` goes on.")


def fields(pairs: Iterable[tuple[str, str]], *, indent: int = 0) -> None:
    """Print labelled values, one a line, the values below each other; later lines of a value are set in."""
    rows = [(f"{label}:", printable(value)) for label, value in pairs]
    width = max((len(label) for label, _ in rows), default=0) + 2
    for label, value in rows:
        first, *rest = value.split("\n")
        data(f"{'':{indent}}{label:<{width}}{first}".rstrip())
        for more in rest:
            data(f"{'':{indent + width}}{more}".rstrip())


def printable(text: str) -> str:
    r"""Show control characters as ``\x1b``: what user code wrote must not steer the person's terminal."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def paint(text: str, style: str, stream: TextIO) -> str:
    """Colour text for a terminal that wants colours (no-color.org)."""
    if not stream.isatty() or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return text
    return f"\x1b[{_STYLES[style]}m{text}\x1b[0m"


def count(number: int, noun: str) -> str:
    """Say ``1 file``, ``2 files``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _fitted(head: Sequence[str], rows: Sequence[Sequence[str]], indent: int) -> None:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for label in head:
        drawn.add_column(label, overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(cell) for cell in row))
    Console(file=sys.stdout, highlight=False).print(Padding.indent(drawn, indent))

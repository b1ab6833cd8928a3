"""SQL text into statements, piece by piece, so that a file larger than memory can be read."""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING, Final, NamedTuple

from wflow.databases import limits
from wflow.databases.faults import D1Error

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARK: Final = re.compile(r"['\"`\[;]|--|/\*")
_CLOSING: Final = {"'": "'", '"': '"', "`": "`", "[": "]", "--": "\n", "/*": "*/"}
_BLANK: Final = r"(?>\s|--[^\n]*(?:\n|\Z)|/\*.*?(?:\*/|\Z))"
"""White space or a comment; once read it stays so, whatever follows."""
_NOTHING: Final = re.compile(rf"(?:{_BLANK}|;)*", re.DOTALL)
_LEADING: Final = re.compile(rf"{_BLANK}*", re.DOTALL)
_TRIGGER: Final = re.compile(
    rf"{_BLANK}*(?:explain{_BLANK}+(?:query{_BLANK}+plan{_BLANK}+)?)?"
    rf"create{_BLANK}+(?:temp(?:orary)?{_BLANK}+)?trigger\b",
    re.DOTALL | re.IGNORECASE,
)
_END: Final = re.compile(r"end\s*;\Z", re.IGNORECASE)
_END_CHARS: Final = 200
"""So far back a trigger's END is looked for."""


class Piece(NamedTuple):
    """A statement, and the number of the line that it begins on, from 1."""

    sql: str
    line: int


class Splitter:
    """Takes a text in parts and gives the statements that are whole; what is quoted never ends one."""

    def __init__(self, most: int = limits.STATEMENT_BYTES) -> None:
        """Begin at a text's beginning; no statement of it may take more than ``most``."""
        self._most = most
        self._text = ""
        self._seen = 0
        self._line = 1

    def feed(self, text: str) -> Iterator[Piece]:
        """Take the next part; raises D1Error for a statement longer than may be."""
        self._text += text
        yield from self._split(last=False)
        if len(self._text) > self._most:
            raise D1Error("statement too long: SQLITE_TOOBIG", hint=f"a statement takes {self._most:,} bytes")

    def close(self) -> Iterator[Piece]:
        """Give the last statement, whose semicolon may be missing."""
        yield from self._split(last=True)
        rest, self._text = self._text, ""
        yield from self._made(rest)

    def _split(self, *, last: bool) -> Iterator[Piece]:
        text, start, at = self._text, 0, self._seen
        while found := _MARK.search(text, at):
            mark = found[0]
            if mark == ";":
                at = found.end()
                if _is_whole(text, start, at):
                    yield from self._made(text[start:at])
                    start = at
                continue
            end = text.find(_CLOSING[mark], found.end())
            if end < 0:
                at = len(text) if last else found.start()
                break
            at = end + len(_CLOSING[mark])
        else:
            # A comment's mark may be cut in two.
            at = len(text) - 1 if text[-1:] in {"-", "/"} and not last else len(text)
        self._text, self._seen = text[start:], max(at - start, 0)

    def _made(self, sql: str) -> Iterator[Piece]:
        line = self._line
        self._line += sql.count("\n")
        if not _NOTHING.fullmatch(sql):
            led = _LEADING.match(sql)
            yield Piece(sql.strip(), line + (sql.count("\n", 0, led.end()) if led else 0))


def split(sql: str) -> list[Piece]:
    """Split a text that is at hand."""
    splitter = Splitter()
    step = limits.STATEMENT_BYTES // 2
    pieces = [piece for at in range(0, len(sql), step) for piece in splitter.feed(sql[at : at + step])]
    return [*pieces, *splitter.close()]


def first_word(sql: str) -> str:
    """Give the word that a statement begins with, in lower case."""
    led = _LEADING.match(sql)
    found = re.compile(r"[A-Za-z]+").match(sql, led.end() if led else 0)
    return found[0].lower() if found else ""


def has_names(sql: str) -> bool:
    """Tell whether a statement has parameters with names, `:a`, `@a` or `$a`."""
    if not any(mark in sql for mark in ":@$"):
        return False
    bare = re.sub(
        r"'[^']*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?(?:\*/|\Z)", " ", sql, flags=re.DOTALL
    )
    return re.search(r"(?<![\w$])[:@$][A-Za-z_]", bare) is not None


def _is_whole(text: str, start: int, end: int) -> bool:
    """Tell whether a semicolon ends a statement: within a trigger only the one after its END does."""
    if not _TRIGGER.match(text, start, end):
        return True
    if not _END.search(text, max(start, end - _END_CHARS), end):
        return False
    return sqlite3.complete_statement(text[start:end])

"""Which line of a TOML text names which key; tomlkit keeps no line numbers, so the text is scanned."""

from __future__ import annotations

import re
from bisect import bisect_left
from contextlib import suppress

Place = tuple[str | int, ...]
"""The way to a value: keys of tables and indexes of arrays, from the top of the file."""

_BARE = re.compile(r"""[^\s.=\[\]{}#,"']+""")
_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}#\n]*")
_STRING = re.compile(
    r'"""(?P<text>(?:\\.|[^\\])*?"{0,2})"""(?!")'
    r"|'''(?P<raw>.*?'{0,2})'''(?!')"
    r'|"(?P<line>(?:\\[^\n]|[^"\\\n])*)"'
    r"|'(?P<raw_line>[^'\n]*)'",
    re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[btnfr\"\\])")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\"}


def locate(text: str) -> dict[Place, int]:
    """Map every key, table and array element of ``text`` to its line, counted from 1.

    A table's own header wins over an earlier mention of it. ``text`` should be valid TOML; where it is not,
    the map ends at the place that makes no sense. Never raises.
    """
    scan = _Scan(text)
    with suppress(_Lost, RecursionError):
        scan.document()
    return scan.lines


def spans(text: str) -> dict[Place, tuple[int, int]]:
    """Map every value that stands behind a `=` or in brackets to where it begins and ends in ``text``."""
    scan = _Scan(text)
    with suppress(_Lost, RecursionError):
        scan.document()
    return scan.spans


class _Lost(Exception):
    """The text is no TOML from here on."""


class _Scan:
    """A position in the text that only moves forward."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[Place, int] = {}
        self.spans: dict[Place, tuple[int, int]] = {}
        self.counts: dict[Place, int] = {}
        self.ends = [found.start() for found in re.finditer("\n", text)]

    def document(self) -> None:
        table: Place = ()
        self.skip(_BLANK)
        while self.at < len(self.text):
            if self.text.startswith("[", self.at):
                table = self.header()
            else:
                self.pair(table)
            self.skip(_BLANK)

    def header(self) -> Place:
        line = self.line()
        opening = "[[" if self.text.startswith("[[", self.at) else "["
        self.take(opening)
        *parents, last = self.keys()
        self.take("]" * len(opening))
        place: Place = ()
        for key in parents:
            place = self.newest((*place, key), line)
        place = (*place, last)
        if opening == "[":
            self.lines[place] = line
            return place
        self.counts[place] = self.counts.get(place, 0) + 1
        return self.newest(place, line)

    def newest(self, place: Place, line: int) -> Place:
        """Step into the last element, where ``place`` is an array of tables."""
        self.lines.setdefault(place, line)
        if place in self.counts:
            place = (*place, self.counts[place] - 1)
            self.lines.setdefault(place, line)
        return place

    def pair(self, table: Place) -> None:
        line = self.line()
        place = table
        for key in self.keys():
            place = (*place, key)
            self.lines.setdefault(place, line)
        self.take("=")
        self.skip(_SPACE)
        self.value(place)

    def keys(self) -> list[str]:
        keys = []
        while True:
            self.skip(_SPACE)
            keys.append(self.key())
            self.skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return keys
            self.take(".")

    def key(self) -> str:
        if self.text.startswith(('"', "'"), self.at):
            return self.string()
        return self.match(_BARE)[0]

    def value(self, place: Place) -> None:
        start = self.at
        opening = self.text[self.at : self.at + 1]
        if opening in ('"', "'"):
            self.string()
        elif opening == "[":
            self.array(place)
        elif opening == "{":
            self.inline_table(place)
        else:
            self.skip(_SCALAR)
        self.spans.setdefault(place, (start, self.at))

    def array(self, place: Place) -> None:
        self.take("[")
        self.skip(_BLANK)
        index = 0
        while not self.text.startswith("]", self.at):
            self.lines.setdefault((*place, index), self.line())
            self.value((*place, index))
            self.comma("]")
            index += 1
        self.take("]")

    def inline_table(self, place: Place) -> None:
        self.take("{")
        self.skip(_BLANK)
        while not self.text.startswith("}", self.at):
            self.pair(place)
            self.comma("}")
        self.take("}")

    def comma(self, closing: str) -> None:
        self.skip(_BLANK)
        if not self.text.startswith(closing, self.at):
            self.take(",")
            self.skip(_BLANK)

    def string(self) -> str:
        found = self.match(_STRING)
        kind = found.lastgroup or ""
        return found[kind] if kind.startswith("raw") else _ESCAPE.sub(_unescaped, found[kind])

    def match(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self.text, self.at)
        if found is None:
            raise _Lost
        self.at = found.end()
        return found

    def skip(self, pattern: re.Pattern[str]) -> None:
        self.match(pattern)

    def take(self, expected: str) -> None:
        if not self.text.startswith(expected, self.at):
            raise _Lost
        self.at += len(expected)

    def line(self) -> int:
        return bisect_left(self.ends, self.at) + 1


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] not in "uU":
        return _ESCAPED[code]
    number = int(code[1:], 16)
    return chr(number) if number <= 0x10FFFF else "\N{REPLACEMENT CHARACTER}"

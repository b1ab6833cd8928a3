"""`wrangler.jsonc` and `wrangler.json` as a tree: JSON with comments and trailing commas, with its lines."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Final, NoReturn

from wflow.config.tree import Node, invalid
from wflow.engine import names
from wflow.errors import ConfigError

if TYPE_CHECKING:
    from wflow.config.lines import Place

_BLANK: Final = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER: Final = re.compile(r"-?(?:0|[1-9]\d*)(?P<fraction>(?:\.\d+)?(?:[eE][+-]?\d+)?)(?![\w.])", re.ASCII)
_WORD: Final = re.compile(r"\w+")
_WORDS: Final = {"true": True, "false": False, "null": None}
_DIGITS: Final = 400
"""More than any number that means something has; Python itself reads 4,300."""


def parse(text: str, name: str) -> Node:
    """Read JSON with comments; ``name`` is the file's, for the error.

    Raises ConfigError with the line, the column and the text of the line where the JSON breaks off.
    """
    scan = _Scan(text)
    try:
        return scan.document()
    except _Broken as broken:
        line, column = scan.position(broken.at)
        raise invalid(text, name, "JSON", problem=broken.problem, line=line, column=column) from None
    except RecursionError:
        raise ConfigError(f"`{name}` nests its objects more than {names.NESTING} deep") from None


def spans(text: str) -> dict[Place, tuple[int, int]]:
    """Map every value to where it begins and ends in ``text``, which `parse` takes."""
    scan = _Scan(text)
    scan.document()
    return scan.spans


class _Broken(Exception):
    def __init__(self, problem: str, at: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.at = at


class _Scan:
    """A position in the text that only moves forward."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.spans: dict[Place, tuple[int, int]] = {}
        self.ends = [found.start() for found in re.finditer("\n", text)]

    def document(self) -> Node:
        self.blank()
        if not self.text.startswith("{", self.at):
            self.broken("expected `{`: the file is one object")
        found = self.value(())
        if self.at < len(self.text):
            self.broken("expected the end of the file")
        return found

    def value(self, place: Place) -> Node:
        """Read a value and what is blank behind it."""
        if len(place) > names.NESTING:
            raise RecursionError
        line, start = self.position(self.at)[0], self.text[self.at : self.at + 1]
        begin = self.at
        value: dict[str, Node] | list[Node] | str | float | bool | None
        if start == "{":
            value = self.table(place)
        elif start == "[":
            value = self.array(place)
        elif start == '"':
            value = self.string()
        elif start and start in "-0123456789":
            value = self.number()
        else:
            value = self.word()
        self.spans[place] = (begin, self.at)
        self.blank()
        return Node(place=place, line=line, value=value)

    def table(self, place: Place) -> dict[str, Node]:
        found: dict[str, Node] = {}
        self.take("{")
        while not self.text.startswith("}", self.at):
            if not self.text.startswith('"', self.at):
                self.broken("expected a key in double quotes, or `}`")
            at, line = self.at, self.position(self.at)[0]
            name = self.string()
            if name in found:
                self.broken(f"the key {json.dumps(name)} stands there twice", at)
            self.blank()
            self.take(":")
            node = self.value((*place, name))
            # A table is where its name stands, as in TOML.
            found[name] = Node(place=node.place, line=line, value=node.value)
            self.comma("}")
        self.take("}")
        return found

    def array(self, place: Place) -> list[Node]:
        found: list[Node] = []
        self.take("[")
        while not self.text.startswith("]", self.at):
            found.append(self.value((*place, len(found))))
            self.comma("]")
        self.take("]")
        return found

    def comma(self, closing: str) -> None:
        if not self.text.startswith(closing, self.at):
            if not self.text.startswith(",", self.at):
                self.broken(f"expected `,` or `{closing}`")
            self.take(",")

    def string(self) -> str:
        found = _STRING.match(self.text, self.at)
        if found is None:
            self.broken("the text that begins here does not end on its line, or has a wrong escape in it")
        value: str = json.loads(found[0])
        if any("\ud800" <= char <= "\udfff" for char in value):
            self.broken("this is no Unicode: it has a lone surrogate")
        self.at = found.end()
        return value

    def number(self) -> float:
        found = _NUMBER.match(self.text, self.at)
        if found is None or len(found[0]) > _DIGITS:
            self.broken("this is no number")
        self.at = found.end()
        return float(found[0]) if found["fraction"] else int(found[0])

    def word(self) -> bool | None:
        found = _WORD.match(self.text, self.at)
        if found is None or found[0] not in _WORDS:
            self.broken("expected a value: text in double quotes, a number, true, false, null, `[` or `{`")
        self.at = found.end()
        return _WORDS[found[0]]

    def take(self, expected: str) -> None:
        """Step over a sign and what is blank behind it."""
        if not self.text.startswith(expected, self.at):
            self.broken(f"expected `{expected}`")
        self.at += len(expected)
        if expected not in "}]":
            self.blank()

    def blank(self) -> None:
        found = _BLANK.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        if self.text.startswith("/*", self.at):
            self.broken("the comment that begins here does not end")

    def position(self, at: int) -> tuple[int, int]:
        """Count line and column from 1."""
        line = bisect_left(self.ends, at)
        return line + 1, at - (self.ends[line - 1] if line else -1)

    def broken(self, problem: str, at: int | None = None) -> NoReturn:
        if at is None and self.at >= len(self.text.rstrip()):
            problem, at = f"{problem}, at the end of the file", len(self.text.rstrip())
        raise _Broken(problem, self.at if at is None else at)

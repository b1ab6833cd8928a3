"""A config file as a tree in which every value knows its place and its line; and TOML read into one."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any, TypeAlias

from wflow.config.lines import Place, locate
from wflow.engine import names
from wflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

Plain: TypeAlias = str | int | float | bool | datetime | date | time | None
"""None is JSON's null."""

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_POSITION = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", re.DOTALL)
_SHOWN_CHARS = 60
_SHOWN_LINE_CHARS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One value of the file: a table (dict of nodes), an array (list of nodes), or a plain value."""

    place: Place
    line: int | None
    value: dict[str, Node] | list[Node] | Plain

    @property
    def table(self) -> dict[str, Node]:
        """Its keys; none when it is no table."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def array(self) -> list[Node]:
        """Its elements; none when it is no array."""
        return self.value if isinstance(self.value, list) else []


def parse(text: str, name: str) -> Node:
    """Read TOML; ``name`` is the file's, for the error.

    Raises ConfigError with the line, the column and the text of the line where the TOML breaks off.
    """
    import tomlkit  # costs 20 ms; only those who read a config pay
    from tomlkit.exceptions import TOMLKitError

    try:
        plain = tomlkit.parse(text).unwrap()
        return _grown(plain, (), None, locate(text))
    except RecursionError:
        raise ConfigError(f"`{name}` nests its tables more than {names.NESTING} deep") from None
    except (TOMLKitError, ValueError) as error:
        raise _broken(text, name, error) from error


def show_place(place: Place) -> str:
    """Write a place as people do: ``workflows[1].concurrency.limit``."""
    text = ""
    for part in place:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            quoted = part if _BARE_KEY.fullmatch(part) else printable(json.dumps(part, ensure_ascii=False))
            text += f".{quoted}" if text else quoted
    return text


def show_value(value: object) -> str:
    """Name a value in an error: short, on one line, in TOML's own spelling where it has one."""
    match value:
        case dict():
            return "a table"
        case list():
            return "an array"
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            return printable(_cut(json.dumps(value, ensure_ascii=False)))
    return _cut(str(value))


def invalid(
    text: str, name: str, language: str, *, problem: str, line: int, column: int, hint: str | None = None
) -> ConfigError:
    """Make the error of a file that is not what it should be, with the place where it breaks off."""
    row = text.split("\n")[line - 1].rstrip("\r")
    first = max(0, column - _SHOWN_LINE_CHARS)
    shown = printable(row[first : first + _SHOWN_LINE_CHARS].replace("\t", " "))
    pointer = " " * min(column - 1 - first, len(shown)) + "^"
    where = f"{name}:{line}:{column}"
    return ConfigError(
        f"`{name}` is not valid {language}\n\n  {where}   {printable(problem)}\n\n    {shown}\n    {pointer}",
        hint=hint,
    )


def printable(text: str) -> str:
    """Replace what would move a terminal's cursor or change its colours."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _grown(value: Any, place: Place, line: int | None, lines: Mapping[Place, int]) -> Node:
    if len(place) > names.NESTING:
        raise RecursionError
    line = lines.get(place, line)
    if isinstance(value, dict):
        table = {str(key): _grown(child, (*place, str(key)), line, lines) for key, child in value.items()}
        return Node(place=place, line=line, value=table)
    if isinstance(value, list):
        array = [_grown(child, (*place, index), line, lines) for index, child in enumerate(value)]
        return Node(place=place, line=line, value=array)
    return Node(place=place, line=line, value=value)


def _broken(text: str, name: str, error: Exception) -> ConfigError:
    problem, line, column = _diagnosis(text, error)
    rows = text.split("\n")
    line = min(line, len(rows))
    hint = "a comment in TOML begins with `#`" if "//" in rows[line - 1] else None
    return invalid(text, name, "TOML", problem=problem, line=line, column=column, hint=hint)


def _diagnosis(text: str, error: Exception) -> tuple[str, int, int]:
    """Say what is wrong and where; the standard parser's positions are the better ones."""
    import tomllib

    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as second:
        found = _POSITION.fullmatch(str(second))
        if found is None:
            return str(second), 1, 1
        if found[2] is not None:
            return found[1], int(found[2]), int(found[3])
        body = text.rstrip()
        line_start = body.rfind("\n") + 1
        return f"{found[1]}, at the end of the file", body.count("\n") + 1, len(body) - line_start + 1
    except (ValueError, RecursionError):
        pass
    return str(error), getattr(error, "line", 1), getattr(error, "col", 0) + 1


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 3]}..."

"""Keys put into the text of a config file beside a `binding`, everything else of it left as it stands.

Each function gives the text with one thing more. Whether that says what it should is for who calls to check.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from wflow.config import jsonc, lines
from wflow.config.tree import show_place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from wflow.config.lines import Place

_REST_OF_LINE: Final = re.compile(r"[ \t]*(?:#[^\n]*)?(?=\n|\Z)")
_REST_WITH_COMMA: Final = re.compile(r"(?P<comma>[ \t]*,)?[ \t]*(?://[^\n]*|/\*[^\n]*?\*/[ \t]*)?(?=\n)")


class Unfit(Exception):
    """There is no place for it that can be told without rewriting the file."""


def beside_in_toml(text: str, entry: Place, values: Mapping[str, object]) -> str:
    """Put keys behind the `binding` of an entry."""
    spans = lines.spans(text)
    _, end = _span(spans, (*entry, "binding"))
    if entry in spans:  # { binding = "KV" }
        return _put(text, end, "".join(f", {key} = {_toml(value)}" for key, value in values.items()))
    indent = _indent(text, end)
    rest = _REST_OF_LINE.match(text, end)
    if rest is None:
        raise Unfit
    return _put(
        text, rest.end(), "".join(f"\n{indent}{key} = {_toml(value)}" for key, value in values.items())
    )


def added_in_toml(text: str, array: Place, values: Mapping[str, object]) -> str:
    """Add an entry to an array of an environment, which need not be there yet."""
    spans = lines.spans(text)
    pairs = [f"{key} = {_toml(value)}" for key, value in values.items()]
    if array in spans:
        return _appended(text, spans, array, f"{{ {', '.join(pairs)} }}")
    gap = "" if text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    return f"{text}{gap}[[{show_place(array)}]]\n" + "".join(f"{pair}\n" for pair in pairs)


def beside_in_json(text: str, entry: Place, values: Mapping[str, object]) -> str:
    """Put keys behind the `binding` of an entry."""
    spans = jsonc.spans(text)
    begin, _ = _span(spans, entry)
    start, end = _span(spans, (*entry, "binding"))
    pairs = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in values.items()]
    rest = _REST_WITH_COMMA.match(text, end)
    if "\n" not in text[begin:start] or rest is None:
        return _put(text, end, "".join(f", {pair}" for pair in pairs))
    indent = _indent(text, end)
    if rest["comma"]:
        return _put(text, rest.end(), "".join(f"\n{indent}{pair}," for pair in pairs))
    more = f",\n{indent}".join(pairs)
    return _put(_put(text, rest.end(), f"\n{indent}{more}"), end, ",")


def added_in_json(text: str, array: Place, values: Mapping[str, object]) -> str:
    """Add an entry to an array of an environment, which need not be there yet."""
    spans = jsonc.spans(text)
    pairs = ", ".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in values.items())
    entry = f"{{ {pairs} }}"
    if array in spans:
        return _appended(text, spans, array, entry)
    *above, name = array
    member = f"{json.dumps(name)}: [{entry}]"
    if tuple(above) not in spans:
        *above, name = above
        member = f"{json.dumps(name)}: {{ {member} }}"
    begin, end = _span(spans, tuple(above))
    is_empty = not text[begin + 1 : end - 1].strip()
    if is_empty:
        return f"{text[: begin + 1]} {member} {text[end - 1 :]}"
    first = re.compile(r"[ \t]*\n([ \t]*)").match(text, begin + 1)
    return _put(text, begin + 1, f"\n{first[1]}{member}," if first else f" {member},")


def _appended(text: str, spans: Mapping[Place, tuple[int, int]], array: Place, entry: str) -> str:
    """Put an entry behind the last one of an array that stands in brackets."""
    begin, end = spans[array]
    count = sum(place[:-1] == array for place in spans if place)
    if not count:
        return f"{text[: begin + 1]}{entry}{text[end - 1 :]}"
    start, last = _span(spans, (*array, count - 1))
    line = text.rfind("\n", 0, start) + 1
    alone = not text[line:start].strip()
    return _put(text, last, f",\n{text[line:start]}{entry}" if alone else f", {entry}")


def _span(spans: Mapping[Place, tuple[int, int]], place: Place) -> tuple[int, int]:
    if place not in spans:
        raise Unfit
    return spans[place]


def _indent(text: str, at: int) -> str:
    line = text.rfind("\n", 0, at) + 1
    return text[line : line + len(text[line:]) - len(text[line:].lstrip(" \t"))]


def _put(text: str, at: int, more: str) -> str:
    return text[:at] + more + text[at:]


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)

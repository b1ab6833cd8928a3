"""The JSON Schema of the config file, made of the model, for editors that complete and check as one types."""

from __future__ import annotations

from dataclasses import MISSING, Field
from typing import TYPE_CHECKING, Any

from wflow.config import shapes, wrangler
from wflow.config.keys import keys_of
from wflow.config.model import Project

if TYPE_CHECKING:
    from wflow.config.keys import Key
    from wflow.config.shapes import Shape

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> Shape:
    """Give the schema of `wflow.toml`, which is that of wrangler's files as far as wflow reads them."""
    document = _table(Project)
    document["properties"]["env"] = {
        "type": "object",
        "description": "The environments by name.",
        "additionalProperties": {**_table(Project, environment=True), "required": []},
    }
    document["properties"]["$schema"] = {"type": "string"}
    return {"$schema": DIALECT, "title": "wflow.toml", **document}


def _table(kind: type, *, environment: bool = False) -> Shape:
    table: Shape = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    for each, known in keys_of(kind):
        if environment and known.top_only:
            continue
        *above, last = known.way
        place = table
        for name in above:
            empty: Shape = {"type": "object", "properties": {}, "additionalProperties": False}
            place = place["properties"].setdefault(name, empty)
        place["properties"][last] = _value(each, known)
        if not above and each.default is MISSING and each.default_factory is MISSING:
            table["required"].append(last)
    for name in sorted(wrangler.IGNORED.get(kind.__name__, ())):
        table["properties"].setdefault(name, {"description": "wrangler's; wflow has no use for it"})
    if kind.__doc__:
        table["description"] = kind.__doc__.partition("\n")[0]
    return table


def _value(each: Field[Any], known: Key) -> Shape:
    shape = _shape(known.rule)
    if known.example:
        shape["description"] = known.example[0].upper() + known.example[1:]
    if isinstance(each.default, str | int) and not known.way[1:] and each.default == each.default:
        shape["default"] = each.default
    return shape


def _shape(rule: object) -> Shape:
    said = dict(shapes.of(rule))
    kind = said.pop("table", None)
    if kind is not None:
        return _table(kind)
    kind = said.pop("tables", None)
    if kind is not None:
        return {"type": "array", "items": _table(kind)}
    for name in ("each", "one_or_more", "optional"):
        one = said.pop(name, None)
        if one is not None:
            inner = _shape(one)
            many: Shape = {"type": "array", "items": inner}
            other: Shape = {"type": "null"}
            if name == "each":
                return many
            return {"anyOf": [inner, {**many, "minItems": 1} if name == "one_or_more" else other]}
    return said

"""A key of the file is a field of a dataclass: how it says what it takes, and how tables are read by it."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from wflow.config import wrangler
from wflow.config.report import WRONG, Report, Wrong
from wflow.config.shapes import shaped
from wflow.config.tree import Node, show_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Way = tuple[str, ...]
"""The keys that lead from a table to a value in it."""

Rule = Callable[[Node, Report], object]
"""Judges one value: gives back what the field holds, or tells the report and gives back WRONG."""

Shape = dict[str, Any]
"""The keys a table may have; one that is a table of more keys has their Shape for a value, others None."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What the file may say for one field."""

    rule: Rule
    way: Way
    alias: Way
    example: str
    bindings: bool
    top_only: bool


def key(
    rule: Rule,
    *,
    at: str = "",
    alias: str = "",
    example: str = "",
    bindings: bool = False,
    top_only: bool = False,
) -> dict[str, Key]:
    """Make the metadata of a field that is a key; a field without a default is required.

    ``at`` and ``alias`` are dotted ways from the field's table (default: the field's name); ``example`` is
    shown when the key is missing; the entries of ``bindings`` are names in ``env``, joined with an
    environment's; ``top_only`` keys cannot be set in an environment.
    """
    made = Key(
        rule=rule,
        way=tuple(at.split(".")) if at else (),
        alias=tuple(alias.split(".")) if alias else (),
        example=example,
        bindings=bindings,
        top_only=top_only,
    )
    return {"key": made}


def keys_of(kind: type) -> Iterator[tuple[Field[Any], Key]]:
    """Give the fields of ``kind`` that are keys, each with its Key, whose way is filled in."""
    for each in fields(kind):
        found = each.metadata.get("key")
        if isinstance(found, Key):
            yield each, found if found.way else replace(found, way=(each.name,))


def read(
    kind: type, node: Node, report: Report, also: Iterable[str] = ()
) -> dict[str, Any] | Literal[Wrong.WRONG]:
    """Read a table by the fields of ``kind`` into that class's arguments; absent keys are left out.

    Every wrong, missing or unknown key is told to ``report``. Keys in ``also`` are known and read elsewhere.
    """
    if not isinstance(node.value, dict):
        return report.wrong(node, f"must be a table, not {show_value(node.value)}")
    reading = _Reading(kind=kind, report=report)
    reading.gather(_shape(kind) | dict.fromkeys(also), node)
    values = {}
    for each, known in keys_of(kind):
        value = reading.value(each, known, node)
        if value is not MISSING:
            values[each.name] = value
    fine = reading.fine and all(value is not WRONG for value in values.values())
    return values if fine else WRONG


def table(kind: type[T]) -> Rule:
    """Make the rule for a nested table: a ``kind``."""

    @shaped(table=kind)
    def rule(node: Node, report: Report) -> T | Literal[Wrong.WRONG]:
        values = read(kind, node, report)
        return WRONG if values is WRONG else kind(**values)

    return rule


def tables(kind: type) -> Rule:
    """Make the rule for an array of tables: a tuple of ``kind``."""
    one = table(kind)

    @shaped(tables=kind)
    def rule(node: Node, report: Report) -> tuple[object, ...] | Literal[Wrong.WRONG]:
        if not isinstance(node.value, list):
            name = node.place[-1]
            how = f'`"{name}": [{{...}}]`' if report.json else f"`[[{name}]]` above its keys"
            return report.wrong(node, f"must be an array of tables: write {how}")
        values = tuple(one(child, report) for child in node.value)
        return WRONG if any(value is WRONG for value in values) else values

    return rule


def suggestion(name: str, known: Iterable[str]) -> str | None:
    """Find the one of ``known`` that ``name`` was meant to be, whatever its case, dashes and underscores."""
    plain = {_plain(candidate): candidate for candidate in known}
    wanted = _plain(name)
    longer = [candidate for candidate in plain if len(wanted) > 2 and candidate.startswith(wanted)]
    near = longer or difflib.get_close_matches(wanted, plain, n=1)
    return plain[near[0]] if near else None


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One table on its way to a ``kind``."""

    kind: type
    report: Report
    found: dict[Way, Node] = field(default_factory=dict)
    fine: bool = True

    def gather(self, shape: Shape, node: Node, way: Way = ()) -> None:
        """Collect the nodes of known keys and judge the others."""
        for name, child in node.table.items():
            inner = shape.get(name)
            if name not in shape:
                self.stranger(shape, child)
            elif inner is None:
                self.found[*way, name] = child
            elif isinstance(child.value, dict):
                self.gather(inner, child, (*way, name))
            else:
                example = f"{name} = {{ {next(iter(inner))} = ... }}"
                self.wrong(child, f"must be a table, such as `{example}`, not {show_value(child.value)}")

    def stranger(self, shape: Shape, node: Node) -> None:
        """Judge a key that is no field: only wrangler's harmless ones pass."""
        name = str(node.place[-1])
        near = suggestion(name, shape)
        if name in wrangler.IGNORED.get(self.kind.__name__, ()):
            self.report.note(node, "ignored, wflow has no use for it")
        elif name in wrangler.UNSERVED.get(self.kind.__name__, ()):
            self.stray(node, "not supported by wflow yet")
        elif near:
            self.stray(node, f"unknown key (did you mean `{near}`?)")
        elif len(node.place) > 1 and name in self.report.top_keys:
            self.stray(node, "unknown key (it belongs to the top of the file, above the first `[table]`)")
        else:
            self.stray(node, f"unknown key (known keys: {', '.join(shape)})")

    def value(self, of: Field[Any], known: Key, node: Node) -> object:
        """Judge what the file says for one field; MISSING when it says nothing and need not."""
        spot, other = self.found.get(known.way), self.found.get(known.alias)
        name = ".".join(known.way)
        if spot is not None and other is not None and spot.value != other.value:
            problem = f"is {show_value(other.value)}, but `{name}` is {show_value(spot.value)}"
            return self.report.wrong(other, problem)
        if other is not None:
            self.report.note(other, f"read as `{name}`")
            spot = other
        if spot is not None:
            return known.rule(spot, self.report)
        if of.default is not MISSING or of.default_factory is not MISSING:
            return MISSING
        problem = f"missing ({known.example})" if known.example else "missing"
        return self.report.wrong_at((*node.place, *known.way), node.line, problem)

    def stray(self, node: Node, problem: str) -> None:
        if self.report.stray(node, problem):
            self.fine = False

    def wrong(self, node: Node, problem: str) -> None:
        self.report.wrong(node, problem)
        self.fine = False


def _shape(kind: type) -> Shape:
    shape: Shape = {}
    for _, known in keys_of(kind):
        for *above, last in filter(None, (known.way, known.alias)):
            inner = shape
            for name in above:
                inner = inner.setdefault(name, {})
            inner[last] = None
    return shape


def _plain(name: str) -> str:
    return name.lower().replace("_", "").replace("-", "")

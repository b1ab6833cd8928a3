"""`[env.NAME]`: the file as one environment sees it, laid over the top."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeVar

from wflow.config import rules
from wflow.config.keys import keys_of
from wflow.config.model import Project
from wflow.config.report import WRONG, Report
from wflow.config.tree import Node, show_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from wflow.config.keys import Way

T = TypeVar("T")

_IDS: Final = {
    "kv_namespaces": {"id", "preview_id"},
    "d1_databases": {"database_id", "database_name", "preview_database_id"},
}
"""What says which resource a binding is bound to."""


def split(document: Node, report: Report) -> tuple[Node, dict[str, Node]]:
    """Part a file into its top and its environments by name; what can be none is told and left out."""
    top = replace(document, value={name: node for name, node in document.table.items() if name != "env"})
    under = document.table.get("env")
    if under is None:
        return top, {}
    if not isinstance(under.value, dict):
        report.wrong(under, f"must hold tables such as `[env.staging]`, not {show_value(under.value)}")
        return top, {}
    return top, {name: own for name, own in under.table.items() if _is_environment(name, own, report)}


def lay(top: Node, name: str, own: Node, report: Report) -> Node:
    """Lay the environment ``name`` over the top of the file.

    A key it sets replaces the top's. Bindings and vars are replaced one by one, and those it does not repeat
    stay (wrangler drops them), but what says which namespace or database it is: each environment has its own.
    The Worker's name becomes ``<name>-<environment>`` unless it sets one; workflows and queues keep theirs.
    """
    laid = {key: _without_ids(node) if key in _IDS else node for key, node in top.table.items()}
    joined = {known.way for _, known in keys_of(Project) if known.bindings}
    top_only = {field.name for field, known in keys_of(Project) if known.top_only} | {"env"}
    for key, node in own.table.items():
        if key in top_only:
            report.stray(node, "can be set only at the top of the file")
        else:
            laid[key] = _joined(laid.get(key), node, _under(joined, key))
    if report.foreign and (inherited := _inherited(top, own, joined)):
        told = f"has {', '.join(inherited)} from the top of the file, which wrangler would leave out"
        report.note(own, told)
    base = top.table.get("name")
    if base is not None and "name" not in own.table and rules.worker_name(base, Report("")) is not WRONG:
        laid["name"] = Node(place=(*own.place, "name"), line=own.line, value=f"{base.value}-{name}")
    return replace(top, value=laid)


def entries(node: Node) -> Iterator[tuple[str, Node]]:
    """Give the names that a table of vars, or an array of tables with a `binding`, puts into ``env``."""
    yield from node.table.items()
    for entry in node.array:
        binding = entry.table.get("binding")
        if binding is not None and isinstance(binding.value, str):
            yield binding.value, entry


def at(node: Node | None, way: Way) -> Node | None:
    """Find what a way of keys leads to; None when it is not there."""
    for name in way:
        node = None if node is None else node.table.get(name)
    return node


def without_ids(key: str, entry: Mapping[str, T]) -> dict[str, T]:
    """Give an entry of the array under ``key`` as an environment inherits it."""
    return {name: value for name, value in entry.items() if name not in _IDS.get(key, ())}


def _is_environment(name: str, own: Node, report: Report) -> bool:
    if not isinstance(own.value, dict):
        report.wrong(own, f"must be a table, not {show_value(own.value)}")
        return False
    return rules.worker_name(replace(own, value=name), report) is not WRONG


def _without_ids(node: Node) -> Node:
    """Leave out of inherited bindings what names the resource itself."""
    if not isinstance(node.value, list):
        return node
    key = str(node.place[-1])
    entries = [
        replace(entry, value=without_ids(key, entry.value)) if isinstance(entry.value, dict) else entry
        for entry in node.value
    ]
    return replace(node, value=entries)


def _inherited(top: Node, own: Node, ways: set[Way]) -> list[str]:
    """Name the bindings and vars that an environment does not repeat."""

    def named(node: Node) -> set[str]:
        found = (at(node, way) for way in ways)
        return {name for each in found if each is not None for name, _ in entries(each)}

    return sorted(named(top) - named(own))


def _under(ways: Iterable[Way], key: str) -> set[Way]:
    return {way[1:] for way in ways if way[:1] == (key,)}


def _joined(top: Node | None, own: Node, ways: set[Way]) -> Node:
    """Lay one value over the top's; at the end of one of the ``ways`` they are joined by their bindings."""
    if top is None or not ways:
        return own
    if isinstance(top.value, dict) and isinstance(own.value, dict):
        inner = {
            name: node if () in ways else _joined(top.value.get(name), node, _under(ways, name))
            for name, node in own.value.items()
        }
        return replace(own, value=top.value | inner)
    if isinstance(top.value, list) and isinstance(own.value, list):
        repeated = {name for name, _ in entries(own)}
        dropped = {entry.place for name, entry in entries(top) if name in repeated}
        return replace(own, value=[entry for entry in top.value if entry.place not in dropped] + own.value)
    return own

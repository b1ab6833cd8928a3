"""`[env.NAME]`: the file as one environment sees it, laid over the top."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from wflow.config import rules
from wflow.config.keys import keys_of
from wflow.config.model import Project
from wflow.config.report import WRONG, Report
from wflow.config.tree import Node, show_value

if TYPE_CHECKING:
    from collections.abc import Iterator


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
    stay (wrangler drops them). The Worker's name becomes ``<name>-<environment>`` unless it sets one;
    workflows keep their names.
    """
    laid = dict(top.table)
    joined = {field.name for field, known in keys_of(Project) if known.bindings}
    top_only = {field.name for field, known in keys_of(Project) if known.top_only} | {"env"}
    for key, node in own.table.items():
        if key in top_only:
            report.stray(node, "can be set only at the top of the file")
        else:
            laid[key] = _joined(laid[key], node) if key in joined and key in laid else node
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


def _is_environment(name: str, own: Node, report: Report) -> bool:
    if not isinstance(own.value, dict):
        report.wrong(own, f"must be a table, not {show_value(own.value)}")
        return False
    return rules.worker_name(replace(own, value=name), report) is not WRONG


def _joined(top: Node, own: Node) -> Node:
    if isinstance(top.value, dict) and isinstance(own.value, dict):
        return replace(own, value=top.value | own.value)
    if isinstance(top.value, list) and isinstance(own.value, list):
        repeated = {name for name, _ in entries(own)}
        dropped = {entry.place for name, entry in entries(top) if name in repeated}
        return replace(own, value=[entry for entry in top.value if entry.place not in dropped] + own.value)
    return own

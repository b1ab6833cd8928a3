"""What no key can tell alone: names taken twice, and what `main` must hold."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Final

from wflow.config import classes, rules
from wflow.config.environments import at, entries
from wflow.config.keys import keys_of, suggestion
from wflow.config.model import Project
from wflow.config.report import WRONG, Report
from wflow.config.tree import Node, show_place, show_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path


_OWNERS_KEYS: Final = ("limits", "schedules", "default_retention", "concurrency")
_CLASSES_SHOWN: Final = 8
_FILES_LOOKED_AT: Final = 200


def check(view: Node, root: Path, report: Report) -> None:
    """Tell ``report`` what does not fit together in one environment's view of a file in ``root``."""
    keys = view.table
    found = [at(view, known.way) for _, known in keys_of(Project) if known.bindings]
    bindings = [node for node in found if node is not None]
    _distinct(((name, _binding(entry)) for node in bindings for name, entry in entries(node)), report)
    secrets = at(view, ("secrets", "required"))
    _distinct(_each(secrets), report)
    consumers = at(view, ("queues", "consumers"))
    _distinct(_texts([entry.table for entry in consumers.array] if consumers else [], "queue"), report)
    workflows = [entry.table for entry in keys["workflows"].array] if "workflows" in keys else []
    _distinct(_texts(workflows, "name"), report)
    ours = []
    for workflow in workflows:
        if _is_anothers(workflow, keys.get("name")):
            _owners_keys(workflow, report)
            report.note(
                workflow["script_name"], "wflow serves no workflows of other projects yet: no binding"
            )
        else:
            ours.append(workflow)
            _pair(workflow, report)
    _count_schedules(view, workflows, report)
    if "main" in keys and at(view, ("build", "command")) is None:  # else it may yet be made
        _main(keys["main"], root, _texts(ours, "class_name"), report)


def _count_schedules(view: Node, workflows: list[dict[str, Node]], report: Report) -> None:
    given = [at(view, ("triggers", "crons")), *(workflow.get("schedules") for workflow in workflows)]
    if not any(given):
        return
    from wflow.wire import crons

    total = 0
    for node in filter(None, given):
        total += len(node.array) or 1
        if total > crons.MOST:
            report.wrong(
                node, f"a Worker has at most {crons.MOST} crons and schedules; here they are {total}"
            )
            return


def _distinct(named: Iterable[tuple[str, Node]], report: Report) -> None:
    first: dict[str, Node] = {}
    for name, node in named:
        holder = first.setdefault(name, node)
        if holder is not node:
            line = f" (line {holder.line})" if holder.line else ""
            report.wrong(node, f"{show_value(name)} is taken by `{show_place(holder.place)}`{line}")


def _binding(entry: Node) -> Node:
    """Give the node that names a binding: a var is named by itself."""
    return entry.table["binding"] if isinstance(entry.place[-1], int) else entry


def _texts(tables: Iterable[dict[str, Node]], key: str) -> Iterator[tuple[str, Node]]:
    for table in tables:
        node = table.get(key)
        if node is not None and isinstance(node.value, str):
            yield node.value, node


def _each(node: Node | None) -> Iterator[tuple[str, Node]]:
    for each in node.array if node else ():
        if isinstance(each.value, str):
            yield each.value, each


def _is_anothers(workflow: dict[str, Node], name: Node | None) -> bool:
    script = workflow.get("script_name")
    return script is not None and (name is None or script.value != name.value)


def _owners_keys(workflow: dict[str, Node], report: Report) -> None:
    for key in _OWNERS_KEYS:
        if key in workflow:
            report.wrong(workflow[key], "not allowed with `script_name`: set it where the class is")


def _pair(workflow: dict[str, Node], report: Report) -> None:
    """Have a concurrency key and its limit stand together: neither does anything alone."""
    concurrency = workflow["concurrency"].table if "concurrency" in workflow else {}
    key, per_key = concurrency.get("key"), concurrency.get("per_key")
    if key is not None and per_key is None:
        missing = "needs `per_key` beside it: how many with the same key run at once"
        report.wrong(key, missing)
    elif per_key is not None and key is None:
        report.wrong(per_key, 'needs `key` beside it: the way to it in the params, such as "customer.id"')


def _main(main: Node, root: Path, class_names: Iterable[tuple[str, Node]], report: Report) -> None:
    file = rules.python_file(main, Report(""))
    if not isinstance(file, str):
        return
    try:
        source = _source(root / file)
    except OSError as error:
        report.wrong(main, f"cannot read {show_value(file)}: {error.strerror}")
        return
    if source is None:
        near = suggestion(file, _python_files(root))
        report.wrong(
            main, f"no such file: {show_value(file)}" + (f" (did you mean `{near}`?)" if near else "")
        )
        return
    found = classes.bound(source)
    if found is None or found.open_ended:
        return
    for name, node in class_names:
        if name not in found.names and rules.identifier(node, Report("")) is not WRONG:
            report.wrong(
                node, f"`{file}` neither defines nor imports `{name}` ({_instead(name, found.classes)})"
            )


def _source(path: Path) -> bytes | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(classes.SOURCE_BYTES_MAX + 1)


def _python_files(root: Path) -> list[str]:
    """Name the sources a person most likely means: those in the project's folder and in `src`."""
    found = itertools.islice(itertools.chain(root.glob("*.py"), root.glob("src/*.py")), _FILES_LOOKED_AT)
    return sorted(path.relative_to(root).as_posix() for path in found if path.is_file())


def _instead(name: str, known: list[str]) -> str:
    near = suggestion(name, known)
    if near:
        return f"did you mean `{near}`?"
    if known:
        return f"it has {', '.join(known[:_CLASSES_SHOWN])}"
    return "it has no class"

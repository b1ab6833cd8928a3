"""What a bundle is told to hold before it leaves: its size, and the bindings of its Worker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from wflow.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from wflow.bundle.manifest import Manifest
    from wflow.bundle.pack import Packed

_VALUE_CHARS: Final = 60


def show(packed: Packed) -> None:
    """Print the size of a bundle and what its Worker may use."""
    output.data(f"Total Upload: {kib(packed.size_bytes)} / gzip: {kib(len(packed.data))}")
    _table(_of(packed.manifest))


def show_bindings(bindings: Iterable[Mapping[str, Any]]) -> None:
    """Print the bindings of a version as the API gives them."""
    _table([_row(binding) for binding in bindings])


def kib(size_bytes: int) -> str:
    """Say how big something is."""
    return f"{size_bytes / 1024:.2f} KiB"


def _table(rows: list[tuple[str, str]]) -> None:
    if rows:
        output.data("Your Worker has access to the following bindings:")
        output.table(("Binding", "Resource"), rows)


def _of(manifest: Manifest) -> list[tuple[str, str]]:
    return [
        *((f"env.{each.binding} ({each.class_name})", "Workflow") for each in manifest.workflows),
        *((f"env.{each.binding} ({each.id})", "KV Namespace") for each in manifest.kv),
        *((f"env.{name} ({_value(value)})", "Environment Variable") for name, value in manifest.vars.items()),
    ]


def _row(binding: Mapping[str, Any]) -> tuple[str, str]:
    name = f"env.{binding['name']}"
    match binding["type"]:
        case "workflow":
            return f"{name} ({binding['class_name']})", "Workflow"
        case "kv_namespace":
            return f"{name} ({binding['namespace_id']})", "KV Namespace"
        case "plain_text" | "json":
            return f"{name} ({_value(binding.get('text', binding.get('json')))})", "Environment Variable"
    return name, str(binding["type"])


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_CHARS else f"{text[: _VALUE_CHARS - 3]}..."

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
    from wflow.config.model import Project

_VALUE_CHARS: Final = 60


def built(project: Project, purpose: str) -> Project:
    """Run the project's own build, if it has one; raises UsageError when it fails."""
    if project.build.command is not None:
        from wflow.bundle import prebuild

        prebuild.run(project, purpose, output.say)
    return project


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
        *((f"env.{each.binding} ({each.name})", "D1 Database") for each in manifest.d1),
        *((f"env.{each.binding} ({each.queue})", "Queue") for each in manifest.producers),
        *(
            (f"env.{each.binding} ({_service(each.service, each.entrypoint)})", "Worker")
            for each in manifest.services
        ),
        *((f"env.{name} ({_value(value)})", "Environment Variable") for name, value in manifest.vars.items()),
    ]


def _row(binding: Mapping[str, Any]) -> tuple[str, str]:
    name = f"env.{binding['name']}"
    match binding["type"]:
        case "workflow":
            return f"{name} ({binding['class_name']})", "Workflow"
        case "kv_namespace":
            return f"{name} ({binding['namespace_id']})", "KV Namespace"
        case "d1":
            return f"{name} ({binding['database_name']})", "D1 Database"
        case "queue":
            return f"{name} ({binding['queue_name']})", "Queue"
        case "service":
            return f"{name} ({_service(binding['service'], binding.get('entrypoint'))})", "Worker"
        case "secret_text":
            return f"{name} (hidden)", "Secret"
        case "plain_text" | "json":
            return f"{name} ({_value(binding.get('text', binding.get('json')))})", "Environment Variable"
    return name, str(binding["type"])


def _service(worker: str, entrypoint: str | None) -> str:
    return f"{worker}#{entrypoint}" if entrypoint else worker


def _value(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _VALUE_CHARS else f"{text[: _VALUE_CHARS - 3]}..."

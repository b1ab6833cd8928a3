"""Keys that wrangler knows and wflow has no field for: harmless ones are passed over, the others refused.

In wrangler's own files none is refused: what code misses is told when it asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from wflow.config.tree import Node

# By the name of the dataclass whose table the keys stand in.

IGNORED: Final[Mapping[str, frozenset[str]]] = {
    "Project": frozenset(
        {
            "$schema",
            "access",
            "account_id",
            "addresses",
            "alias",
            "base_dir",
            "cache",
            "compliance_region",
            "dependencies_instrumentation",
            "find_additional_modules",
            "first_party_worker",
            "jsx_factory",
            "jsx_fragment",
            "keep_names",
            "keep_vars",
            "legacy_env",
            "limits",
            "logpush",
            "migrations",
            "minify",
            "no_bundle",
            "observability",
            "placement",
            "preserve_file_names",
            "preview_urls",
            "previews",
            "python_modules",
            "route",
            "routes",
            "rules",
            "send_metrics",
            "streaming_tail_consumers",
            "tail_consumers",
            "tsconfig",
            "upload_source_maps",
            "usage_model",
            "workers_dev",
            "zone_id",
        }
    ),
    "Dev": frozenset(
        {
            "container_engine",
            "enable_containers",
            "generate_types",
            "host",
            "inspector_ip",
            "inspector_port",
            "upstream_protocol",
        }
    ),
    "D1Database": frozenset({"remote"}),
    "KvNamespace": frozenset({"remote"}),
    "Producer": frozenset({"remote"}),
    "Service": frozenset({"remote"}),
    "Workflow": frozenset({"remote"}),
}
"""User code does not miss them."""

UNSERVED: Final[Mapping[str, frozenset[str]]] = {
    "Project": frozenset(
        {
            "ai",
            "ai_search",
            "ai_search_namespaces",
            "analytics_engine_datasets",
            "artifacts",
            "assets",
            "browser",
            "cloudchamber",
            "containers",
            "data_blobs",
            "define",
            "dispatch_namespaces",
            "durable_objects",
            "events",
            "exports",
            "flagship",
            "hyperdrive",
            "images",
            "logfwdr",
            "media",
            "mtls_certificates",
            "pipelines",
            "r2_buckets",
            "ratelimits",
            "secrets_store_secrets",
            "send_email",
            "site",
            "stream",
            "text_blobs",
            "unsafe",
            "unsafe_hello_world",
            "vectorize",
            "version_metadata",
            "vpc_networks",
            "vpc_services",
            "wasm_modules",
            "worker_loaders",
        }
    ),
    "D1Database": frozenset({"migrations_pattern"}),
    "Dev": frozenset({"local_protocol"}),
    "Service": frozenset({"environment", "props"}),
}
"""User code would miss them when it runs."""


def unserved(view: Node) -> dict[str, str]:
    """Name the bindings that a file declares and wflow does not serve, each with the key it stands under."""
    keys = UNSERVED["Project"] - {"containers"}  # their names are no bindings
    nodes = {key: node for key, node in view.table.items() if key in keys}
    return {name: key for key, node in nodes.items() for name in _bindings(node)}


def _bindings(node: Node) -> Iterator[str]:
    """Find what tables call a binding: by their `binding`, or by their `name` in a list."""
    for each in node.array:
        if "binding" not in each.table:
            yield from _texts(each.table.get("name"))
        yield from _bindings(each)
    for key, each in node.table.items():
        yield from _texts(each) if key == "binding" else _bindings(each)


def _texts(node: Node | None) -> Iterator[str]:
    if node is not None and isinstance(node.value, str):
        yield node.value

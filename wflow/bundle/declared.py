"""The bindings that a manifest declares, each with the kind that names its file in `wflow.bindings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from wflow.bundle.manifest import Manifest


class Declared(msgspec.Struct, frozen=True):
    """A binding: its kind, its name in `env`, and what it is bound to (a namespace, a workflow)."""

    kind: str
    name: str
    target: str


def declared(manifest: Manifest) -> list[Declared]:
    """List the bindings of a version."""
    return [
        *(Declared("kv", entry.binding, entry.id) for entry in manifest.kv),
        *(Declared("workflow", entry.binding, entry.name) for entry in manifest.workflows),
    ]

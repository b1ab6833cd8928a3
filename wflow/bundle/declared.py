"""The bindings that a manifest declares, each with the kind that names its file in `wflow.bindings`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from wflow.bundle.manifest import Manifest, ProducerEntry, ServiceEntry


class Declared(msgspec.Struct, frozen=True):
    """A binding: its kind, its name in `env`, and what it is bound to.

    The ``target`` is a namespace's id, a database's, a queue's name, a workflow's, or a Worker's, followed by
    ``#`` and the name of a class there when it is not the Worker itself. A queue's may be followed by ``#``
    and the seconds for which it holds back what comes by this binding.
    """

    kind: str
    name: str
    target: str

    @property
    def resource(self) -> str:
        """What it is bound to, without what else the target says."""
        return self.target.partition("#")[0]


def declared(manifest: Manifest) -> list[Declared]:
    """List the bindings of a version."""
    return [
        *(Declared("kv", entry.binding, entry.id) for entry in manifest.kv),
        *(Declared("d1", entry.binding, entry.id) for entry in manifest.d1),
        *(Declared("queue", entry.binding, _queue(entry)) for entry in manifest.producers),
        *(Declared("service", entry.binding, _service(entry)) for entry in manifest.services),
        *(Declared("workflow", entry.binding, entry.name) for entry in manifest.workflows),
    ]


def _queue(entry: ProducerEntry) -> str:
    return entry.queue if entry.delivery_delay is None else f"{entry.queue}#{entry.delivery_delay}"


def _service(entry: ServiceEntry) -> str:
    return entry.service if entry.entrypoint is None else f"{entry.service}#{entry.entrypoint}"

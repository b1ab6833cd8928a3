"""What a version's bindings are bound to, made when it is taken in: its databases and its namespaces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wflow.bindings import kv_namespaces
from wflow.bundle.manifest import resource_name

if TYPE_CHECKING:
    from wflow.bundle.manifest import Manifest
    from wflow.databases import Databases
    from wflow.stores.store import Store


async def declare(manifest: Manifest, store: Store, databases: Databases, now: int) -> None:
    """Make what has an id that is not there yet; what is there stays as it is, its name too.

    Queues are there by their names as soon as a live version has them.
    """
    for database in manifest.d1:
        await databases.ensure(database.id, database.name)
    for namespace in manifest.kv:
        title = resource_name(manifest.name, namespace.binding)
        await kv_namespaces.ensure(store, namespace.id, title, now=now)

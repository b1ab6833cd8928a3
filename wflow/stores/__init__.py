"""Durable state: one contract, and one file a store, found by the scheme of its URL."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from wflow import catalogue
from wflow.errors import UsageError

if TYPE_CHECKING:
    from wflow.stores.store import Store


async def connect(url: str) -> Store:
    """Open the store at ``url``, e.g. ``sqlite:///path/to/folder``, and bring its schema up to date.

    Raises UsageError for an unknown scheme, StoreBusy when another process holds it, StoreError when it
    cannot be read.
    """
    scheme, _, rest = url.partition("://")
    module = catalogue.find(sys.modules[__name__], scheme) if rest else None
    opener = getattr(module, "connect", None)
    if opener is None:
        raise UsageError(f"{url!r} is no store", hint="use sqlite:///FOLDER")
    store: Store = await opener(rest)
    return store

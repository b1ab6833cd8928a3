"""The folder is the registry: whatever lies in a package is found, no list is kept beside it."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


def names(package: ModuleType) -> list[str]:
    """Name the public modules of ``package`` in alphabetical order, without importing them."""
    return sorted(
        found.name for found in pkgutil.iter_modules(package.__path__) if not found.name.startswith("_")
    )


def modules(package: ModuleType) -> Iterator[tuple[str, ModuleType]]:
    """Import the public modules of ``package`` one by one, with their names."""
    for name in names(package):
        yield name, importlib.import_module(f"{package.__name__}.{name}")


def find(package: ModuleType, name: str) -> ModuleType | None:
    """Import one module of ``package`` by name; None when there is none of that name."""
    if name not in names(package):
        return None
    return importlib.import_module(f"{package.__name__}.{name}")

"""Gives wflow's stand-ins for Cloudflare's modules the names that Cloudflare's programs import them by."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

MODULES: Final[Mapping[str, str]] = {
    "workers": "wflow.runtime.workers",
    "workers.asgi": "wflow.runtime.workers.asgi",
    "workers.wsgi": "wflow.runtime.workers.wsgi",
    "workers.workflows": "wflow.runtime.workers.workflows",
    "asgi": "wflow.runtime.workers.asgi",
}


def install(folders: Iterable[Path]) -> None:
    """Let `import workers` and its like find the stand-ins, unless ``folders`` have a module of that name.

    They go before what is installed: Cloudflare's own package needs JavaScript to run.
    """
    places = list(folders)
    own = {name for name in MODULES if "." not in name and any(has(place, name) for place in places)}
    for name, home in MODULES.items():
        if name.partition(".")[0] not in own:
            sys.modules[name] = importlib.import_module(home)


def has(folder: Path, name: str) -> bool:
    """Tell whether a folder has such a module; a folder without `__init__.py` may hold anything."""
    return (folder / f"{name}.py").is_file() or (folder / name / "__init__.py").is_file()

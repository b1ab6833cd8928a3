"""Tells when the project's code, config or secrets have changed; a file that user code writes is none of these."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from watchfiles import Change

SETTLE_MS: Final = 50
"""Editors write in several steps; changes that come so close together are one."""
STEP_MS: Final = 10
CONFIGS: Final = frozenset({"wflow.toml", "wrangler.toml", "wrangler.json", "wrangler.jsonc"})
SKIPPED: Final = frozenset(
    {
        ".git",
        ".hg",
        ".svn",
        ".wflow",
        ".wrangler",
        ".venv",
        "venv",
        "node_modules",
        "__pycache__",
        "site-packages",
    }
)


def concerns(path: Path, root: Path) -> bool:
    """Tell whether a change of ``path`` changes what runs: Python files, the config, `.dev.vars*` and `.env*`."""
    try:
        below = path.relative_to(root)
    except ValueError:
        return False
    if SKIPPED & set(below.parts[:-1]) or any(part.endswith("_cache") for part in below.parts[:-1]):
        return False
    name = below.name
    if name.endswith(".py"):
        return not name.startswith(".#")
    return len(below.parts) == 1 and (name in CONFIGS or name.startswith((".dev.vars", ".env")))


async def changes(root: Path, stop: asyncio.Event) -> AsyncIterator[set[Path]]:
    """Yield the paths that changed, each time something that concerns the session did, until ``stop``."""
    from watchfiles import awatch

    def wanted(_change: Change, path: str) -> bool:
        return concerns(Path(path), root)

    async for found in awatch(
        root,
        watch_filter=wanted,
        debounce=SETTLE_MS,
        step=STEP_MS,
        stop_event=stop,
        ignore_permission_denied=True,
    ):
        yield {Path(path) for _, path in found}

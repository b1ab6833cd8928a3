"""Tells when a project's code, config or secrets have changed; what user code writes is none of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Sequence

    from watchfiles import Change

SETTLE_MS: Final = 50
"""Editors write in several steps; changes that come so close together are one."""
STEP_MS: Final = 10
SECRETS: Final = (".dev.vars", ".env")
SKIPPED: Final = frozenset(
    {
        *(".git", ".hg", ".svn"),
        *(".wflow", ".wrangler"),
        *(".venv", "venv", "node_modules", "site-packages"),
        "__pycache__",
    }
)


def concerns(path: Path, config: Path, inputs: Sequence[Path] = ()) -> bool:
    """Tell whether a change of ``path`` changes what the project with this config file runs.

    All that lies below ``inputs`` does: it is what the project's own build is made of.
    """
    try:
        below = path.relative_to(config.parent)
    except ValueError:
        return False
    if SKIPPED & set(below.parts[:-1]) or any(part.endswith("_cache") for part in below.parts[:-1]):
        return False
    name = below.name
    if name.endswith(".py"):
        return not name.startswith(".#")
    if any(path.is_relative_to(folder) for folder in inputs):
        return True
    return len(below.parts) == 1 and (name == config.name or name.startswith(SECRETS))


async def changes(config: Path, inputs: Sequence[Path] = ()) -> AsyncGenerator[set[Path], None]:
    """Watch the project of a config file: yield the paths that changed, each time some did.

    ``inputs`` are folders of which every file counts.

    The first set is empty, and tells that the watch has begun: nothing is missed from then on. What changes
    while nobody asks comes all at once. Raises UsageError where the machine cannot watch.
    """
    from watchfiles import awatch

    def wanted(_change: Change, path: str) -> bool:
        return concerns(Path(path), config, inputs)

    found = awatch(
        config.parent,
        watch_filter=wanted,
        debounce=SETTLE_MS,
        step=STEP_MS,
        ignore_permission_denied=True,
    )
    coming = asyncio.ensure_future(anext(found, None))
    try:
        await asyncio.sleep(0)  # its first step sets the watch up
        yield set()
        while (changed := await coming) is not None:
            yield {Path(path) for _, path in changed}
            coming = asyncio.ensure_future(anext(found, None))
    except (OSError, RuntimeError) as broken:
        raise UsageError(
            f"cannot watch {config.parent}: {broken}", hint="the system may limit how many files are watched"
        ) from broken
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await found.aclose()

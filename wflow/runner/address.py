"""Where a project's dev session listens, in a file beside its state, so that `--local` asks the right one."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def find(root: Path) -> str | None:
    """Give the URL of the session that runs in the project at ``root``; None when none does."""
    try:
        kept = json.loads(_file(root).read_text())
        os.kill(int(kept["pid"]), 0)
        return str(kept["url"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextlib.contextmanager
def announced(root: Path, url: str) -> Iterator[None]:
    """Have `find` give ``url`` while the block runs; one that was killed is found to be gone."""
    file = _file(root)
    file.parent.mkdir(exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({"url": url, "pid": os.getpid()}))
    draft.replace(file)
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def _file(root: Path) -> Path:
    return root / ".wflow" / "session.json"

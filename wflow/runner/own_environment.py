"""The project's own environment, of which a dev session imports packages: its `.venv`, or the active one."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

FOLDERS: Final = (".venv", "venv")


def packages(root: Path) -> tuple[Path | None, str | None]:
    """Give the folder of packages of the project in ``root``, and what the person should know about it.

    Nothing where wflow itself runs in that environment, and where there is none. One of another Python is of
    no use here: its packages may be built for that.
    """
    for folder in _environments(root):
        if not (folder / "pyvenv.cfg").is_file() or folder.resolve() == _here():
            continue
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        found = folder / "lib" / version / "site-packages"
        if found.is_dir():
            return found, None
        others = ", ".join(sorted(each.name for each in (folder / "lib").glob("python*"))) or "another Python"
        return None, f"{folder.name} is an environment of {others}, and wflow runs on {version}: not used"
    return None, None


def _environments(root: Path) -> list[Path]:
    active = os.environ.get("VIRTUAL_ENV")
    own = [root / name for name in FOLDERS]
    return [*own, root / active] if active else own


def _here() -> Path:
    from pathlib import Path

    return Path(sys.prefix).resolve()

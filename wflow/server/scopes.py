"""What a token may do: each scope includes the ones before it."""

from __future__ import annotations

from typing import Final

READ: Final = "read"
DEPLOY: Final = "deploy"
ADMIN: Final = "admin"

ALL: Final = (READ, DEPLOY, ADMIN)


def covers(given: str, wanted: str) -> bool:
    """Tell whether the scope ``given`` is enough for what asks for ``wanted``."""
    return ALL.index(given) >= ALL.index(wanted)

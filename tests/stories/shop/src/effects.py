"""What steps do to the world, told to a witness outside the project."""

from __future__ import annotations

import os


def tell(witness: str, *words: object) -> None:
    """Append one line, in one write, so that lines of many processes never mix."""
    descriptor = os.open(witness, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, f"{' '.join(map(str, words))}\n".encode())
    finally:
        os.close(descriptor)

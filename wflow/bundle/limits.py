"""How much a bundle may hold; packing and taking in obey the same numbers."""

from __future__ import annotations

from typing import Final

from wflow.engine.names import MIB

PACKED_BYTES: Final = 64 * MIB
"""A bundle as it travels, compressed."""
UNPACKED_BYTES: Final = 64 * MIB
"""A bundle decompressed: contents, manifest and the archive's own headers together."""
FILE_BYTES: Final = 25 * MIB
MANIFEST_BYTES: Final = 8 * MIB
FILES: Final = 10_000
ENTRIES: Final = 1_000
"""Workflows, and key-value namespaces; each."""
NAME_BYTES: Final = 512
"""A file's name with its folders, in UTF-8."""
PART_BYTES: Final = 255
"""One folder or the last part of a name; file systems have this limit."""
FOLDERS_DEEP: Final = 32


def mib(size_bytes: int) -> str:
    """Show a size to a person, who has to compare it with a limit."""
    return f"{size_bytes / MIB:,.1f} MiB"

"""Bookmarks: the number of a commit in a database's history, written as Cloudflare writes them.

`00000000-0000024c-00000001-8e61117bf38d7adb71b934ebbf891683`: the number in two parts, the format, and a
digest, by which a bookmark of another database is told. Of two of one database the greater text is the later.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import Final

from wflow.databases.faults import D1Error

_FORMAT: Final = 1
_TEXT: Final = re.compile(r"([0-9a-f]{8})-([0-9a-f]{8})-[0-9a-f]{8}-[0-9a-f]{32}")


def written(database: str, number: int) -> str:
    """Write the bookmark of a commit."""
    digest = blake2b(f"{database}/{number}".encode(), digest_size=16).hexdigest()
    return f"{number >> 32:08x}-{number & 0xFFFFFFFF:08x}-{_FORMAT:08x}-{digest}"


def read(database: str, text: str) -> int:
    """Give the number of a bookmark; raises D1Error for one that this database did not give."""
    found = _TEXT.fullmatch(text)
    number = (int(found[1], 16) << 32 | int(found[2], 16)) if found else 0
    if found is None or written(database, number) != text:
        raise D1Error(f"Invalid bookmark: {text[:80]!r}", hint="a database takes its own bookmarks only")
    return number

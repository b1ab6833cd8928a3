"""Headers of HTTP, and the cookies in them."""

from __future__ import annotations

import re
from http import cookies
from typing import TYPE_CHECKING, Any, Final, TypeAlias
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    Given: TypeAlias = "Headers | Iterable[tuple[str, str]] | Mapping[str, str] | None"

COOKIES: Final = 1_000
"""Cookies that are read of one request."""
FIELDS: Final = 10_000
"""Parameters that are read of one query."""

_unquote: Callable[[str], str] = cookies._unquote  # noqa: SLF001
"""What the standard library reads a cookie's value with; it leaves out all when one makes no sense."""
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_VALUE: Final = re.compile(r"[^\r\n\0\u0100-\U0010ffff]*")
_COOKIE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class Headers:
    """Headers by name in any case; the first value wins in `get`, `append` keeps several.

    Raises ValueError for a name or a value that HTTP cannot carry; a line break in one would begin another
    header.
    """

    def __init__(self, given: Given = None) -> None:
        """Copy what is given: pairs, or whatever has `items()`."""
        pairs: Any = () if given is None else getattr(given, "items", lambda: given)()
        self._pairs = [_pair(name, value) for name, value in pairs]

    def get(self, name: str, default: str | None = None) -> str | None:
        """Find a header."""
        name = name.lower()
        return next((value for key, value in self._pairs if key == name), default)

    def get_all(self, name: str, default: list[str] | None = None) -> list[str] | None:
        """List all values of a header; ``default`` when there is none."""
        return [value for key, value in self._pairs if key == name.lower()] or default

    getAll = get_all  # noqa: N815 - Cloudflare's spelling

    def getSetCookie(self) -> list[str]:  # noqa: N802 - Cloudflare's spelling
        """List the values of Set-Cookie, which is the one header that cannot be joined with commas."""
        return self.get_all("set-cookie") or []

    def append(self, name: str, value: str) -> None:
        """Add one more value."""
        self._pairs.append(_pair(name, value))

    def set(self, name: str, value: str) -> None:
        """Set a header, for good."""
        self[name] = value

    def has(self, name: str) -> bool:
        """Tell whether a header is there."""
        return name in self

    def delete(self, name: str) -> None:
        """Remove a header; one that is not there is no error."""
        del self[name]

    def items(self) -> list[tuple[str, str]]:
        """List names and values, as often as they stand."""
        return list(self._pairs)

    def keys(self) -> list[str]:
        """List the names, as often as they stand."""
        return [name for name, _ in self._pairs]

    def values(self) -> list[str]:
        """List the values."""
        return [value for _, value in self._pairs]

    def __getitem__(self, name: str) -> str:
        """Get a header, or raise KeyError."""
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        """Set a header, for good."""
        new = _pair(name, value)
        self._pairs = [*(pair for pair in self._pairs if pair[0] != new[0]), new]

    def __delitem__(self, name: str) -> None:
        """Remove a header; one that is not there is no error."""
        self._pairs = [pair for pair in self._pairs if pair[0] != name.lower()]

    def __contains__(self, name: object) -> bool:
        """Tell whether a header is there."""
        return isinstance(name, str) and self.get(name) is not None

    def __iter__(self) -> Iterator[str]:
        """Go through the names."""
        return iter(dict(self._pairs))

    def __len__(self) -> int:
        """Count the pairs."""
        return len(self._pairs)


class Query(dict[str, str]):
    """The parameters of a URL by name; of one that comes several times it is the last, `get_all` has all."""

    def __init__(self, text: str) -> None:
        """Read what stands behind the question mark; raises ValueError for more than 10,000 parameters."""
        self._pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=FIELDS)
        super().__init__(self._pairs)

    def get_all(self, name: str) -> list[str]:
        """List all values of a parameter."""
        return [value for key, value in self._pairs if key == name]


def cookies_of(header: str | None) -> dict[str, str]:
    """Read the header Cookie; what makes no sense in it is left out, and the first of several wins."""
    found: dict[str, str] = {}
    for part in (header or "").split(";", COOKIES)[:COOKIES]:
        name, is_pair, value = part.partition("=")
        if is_pair and (key := name.strip()) and key not in found:
            found[key] = _unquote(value.strip())
    return found


def cookie(name: str, value: str, **attributes: Any) -> str:
    """Write a value of Set-Cookie, with `set_cookie`'s attributes; raises ValueError for what is none."""
    if not _COOKIE.fullmatch(name):
        raise ValueError(f"{name!r} is no name of a cookie")
    made: cookies.SimpleCookie = cookies.SimpleCookie()
    made[name] = value
    for attribute, said in attributes.items():
        if said is not None and said is not False:
            if ";" in str(said):
                raise ValueError(f"a cookie's {attribute} cannot be {said!r}: a semicolon ends it")
            made[name][attribute.replace("_", "-")] = said
    return made[name].OutputString()


def expiry(at: datetime | str | None) -> str | None:
    """Write an instant as cookies have it; raises ValueError for a time without a zone."""
    if at is None or isinstance(at, str):
        return at
    from datetime import UTC
    from email.utils import format_datetime

    if at.tzinfo is None:
        raise ValueError("a cookie's `expires` needs a time zone")
    return format_datetime(at.astimezone(UTC), usegmt=True)


def _pair(name: object, value: object) -> tuple[str, str]:
    key, text = str(name).lower(), str(value)
    if not _NAME.fullmatch(key):
        raise ValueError(f"{name!r} is no name of a header")
    if not _VALUE.fullmatch(text):
        raise ValueError(f"the header {key!r} cannot be {text!r}: no line breaks, and nothing beyond Latin-1")
    return key, text

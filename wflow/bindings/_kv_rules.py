"""The rules of KV, each with its limit and Cloudflare's words for whoever breaks it."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wflow.engine import names, values
from wflow.errors import InvalidInput, TooLarge, TooMany

if TYPE_CHECKING:
    from wflow.stores.store import Store

KEY_BYTES: Final = 512
VALUE_BYTES: Final = 25 * 1024 * 1024
METADATA_BYTES: Final = 1024
TTL_SECONDS_MIN: Final = 60
CACHE_TTL_SECONDS_MIN: Final = 30
SECONDS_MAX: Final = 10**11
"""Far beyond any date, and small enough to be counted in milliseconds."""
LIST_LIMIT: Final = 1_000
BULK_KEYS: Final = 100
"""Keys that are read at once."""
BULK_BYTES: Final = 25 * 1024 * 1024
"""What their values may take together."""
_OPTIONS_SHOWN: Final = 40


def key(method: str, given: object) -> str:
    """Check a key."""
    if not isinstance(given, str) or not given:
        raise InvalidInput(f"KV {method} failed: 400 a key is text of at least one character, not {given!r}")
    if given in {".", ".."}:
        raise InvalidInput(f'KV {method} failed: 400 "{given}" is not allowed as a key')
    try:
        size = len(given.encode())
    except UnicodeEncodeError:
        raise InvalidInput(f"KV {method} failed: 400 a key is Unicode, which {given!r} is not") from None
    if size > KEY_BYTES:
        raise InvalidInput(
            f"KV {method} failed: 414 UTF-8 encoded length of {size} exceeds key length limit of {KEY_BYTES}."
        )
    return given


def keys(given: object) -> list[str]:
    """Check the keys of a bulk get; those that are asked for twice are read once."""
    if not isinstance(given, list) or not given:
        raise InvalidInput("KV GET_BULK failed: 400 You must request a minimum of 1 key")
    if len(given) > BULK_KEYS:
        raise InvalidInput(f"KV GET_BULK failed: 400 You can request a maximum of {BULK_KEYS} keys")
    return list(dict.fromkeys(key("GET_BULK", one) for one in given))


def check_bulk(size: int) -> None:
    """Check what the values of a bulk get take."""
    if size > BULK_BYTES:
        raise TooLarge("KV GET_BULK failed: 413 Total size of request exceeds the limit of 25MB")


def check_size(size: int) -> None:
    """Check how long a value is."""
    if size > VALUE_BYTES:
        raise TooLarge(f"KV PUT failed: 413 Value length of {size} exceeds limit of {VALUE_BYTES}.")


def check_cache_ttl(ttl: object) -> None:
    """Check a time for which a value may be answered from a cache; here none is."""
    if ttl is None:
        return
    if isinstance(ttl, bool) or not isinstance(ttl, int) or not CACHE_TTL_SECONDS_MIN <= ttl <= SECONDS_MAX:
        raise InvalidInput(
            f"KV GET failed: 400 Invalid cache_ttl of {names.shown(ttl)}. "
            f"Cache TTL must be at least {CACHE_TTL_SECONDS_MIN}."
        )


def check_pressure(method: str, store: Store) -> None:
    """Refuse a write while the disk is behind with what was written before."""
    if store.pressure.share >= 1:
        raise TooMany(f"KV {method} failed: 429 Too Many Requests: the disk is behind")


def meta(metadata: object) -> bytes:
    """Check and encode metadata."""
    raw = b"" if metadata is None else msgspec.json.encode(values.json_ready(metadata))
    if len(raw) > METADATA_BYTES:
        raise TooLarge(f"KV PUT failed: 413 Metadata length of {len(raw)} exceeds limit of {METADATA_BYTES}.")
    return raw


def metadata(raw: bytes) -> Any:
    """Decode metadata."""
    return msgspec.json.decode(raw) if raw else None


def expiry(now: int, expiration: object, ttl: object) -> int | None:
    """Check when a key is to vanish, and give the instant in milliseconds."""
    if ttl is not None:
        if isinstance(ttl, bool) or not isinstance(ttl, int) or not TTL_SECONDS_MIN <= ttl <= SECONDS_MAX:
            raise InvalidInput(
                f"KV PUT failed: 400 Invalid expiration_ttl of {names.shown(ttl)}. "
                f"Expiration TTL must be at least {TTL_SECONDS_MIN}."
            )
        return now + ttl * 1000
    if expiration is None:
        return None
    soonest = now // 1000 + TTL_SECONDS_MIN
    if (
        isinstance(expiration, bool)
        or not isinstance(expiration, int)
        or not soonest <= expiration <= SECONDS_MAX
    ):
        raise InvalidInput(
            f"KV PUT failed: 400 Invalid expiration of {names.shown(expiration)}. "
            f"Expiration times must be at least {TTL_SECONDS_MIN} seconds in the future."
        )
    return expiration * 1000


def limit(given: object) -> int:
    """Check how many keys a list is to have."""
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= LIST_LIMIT:
        raise InvalidInput(
            f"KV LIST failed: 400 Invalid key_count_limit of {names.shown(given)}. "
            f"It must be 1 to {LIST_LIMIT}."
        )
    return given


def cursor(last: str) -> str:
    """Make the cursor of what comes after a key."""
    return base64.urlsafe_b64encode(last.encode()).decode()


def after(given: object) -> str:
    """Read a cursor; none begins at the beginning."""
    if given is None or not given:
        return ""
    if not isinstance(given, str):
        raise InvalidInput("KV LIST failed: 400 prefix and cursor must be text")
    try:
        return base64.b64decode(given.encode("ascii"), b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        raise InvalidInput(
            f"KV LIST failed: 400 Invalid cursor {given[:_OPTIONS_SHOWN]!r}: give one that a list gave"
        ) from None

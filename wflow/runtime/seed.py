"""What an instance derives from its seed: the same in each process, and foreseen by nobody."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wflow.runtime.attempt import Place


def seed_of(seed: bytes, instance: int) -> bytes:
    """Give what an instance draws from: its seed, or its number if it is older than seeds are."""
    return seed or b"wflow instance %d" % instance


def derived(seed: bytes, purpose: str, what: str) -> bytes:
    """Derive 16 bytes: others for another purpose (at most 16 letters), and for another ``what``."""
    return blake2b(what.encode(), key=seed, person=purpose.encode(), digest_size=16).digest()


def step_key(place: Place, step: str | None = None) -> str:
    """Give the idempotency key of the step at ``place``, or of another ``step`` of that instance by its key.

    32 hex digits: the same at each attempt and in each process; others for another visit, another instance,
    and for a step that is made anew because its instance was restarted.
    """
    what = f"{place.generation}:{place.step if step is None else step}"
    return derived(seed_of(place.seed, place.instance), "step", what).hex()


def effects_key(place: Place) -> str:
    """Give the key of what the step at ``place`` does to others: each check of a poll does its own."""
    key = step_key(place)
    return f"{key}.{place.checks}" if place.checks else key

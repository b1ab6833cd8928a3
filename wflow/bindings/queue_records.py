"""What a runner knows of its queues beside their messages: name, settings, and who consumes them."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from wflow.errors import InvalidInput
from wflow.stores.store import Absent, Cell

if TYPE_CHECKING:
    from wflow.stores.store import Store

SPACE: Final = "queues"
"""The cells of the records, by the queues' ids."""
QUEUES: Final = 10_000
"""Queues of one runner; Cloudflare's limit."""
RETENTION_S: Final = 4 * 24 * 60 * 60
"""How long a message is kept that nobody acknowledges, unless the queue says otherwise."""
RETENTION_S_MIN: Final = 60
RETENTION_S_MAX: Final = 14 * 24 * 60 * 60

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a queue, in seconds; while it is paused, nothing is delivered."""

    delivery_delay: int = 0
    delivery_paused: bool = False
    message_retention_period: int = RETENTION_S


class Consumer(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets the messages: the Worker ``script``, or whoever pulls.

    ``version`` is what was live, and declared the queue, when somebody added it by hand: what declares it
    later speaks for itself. ``removed`` says that it was taken away instead.
    """

    id: str
    type: Literal["worker", "http_pull"] = "worker"
    script: str = ""
    created_at: int = 0
    batch_size: int = 10
    max_wait_time_ms: int = 5_000
    max_retries: int = 3
    max_concurrency: int | None = None
    retry_delay: int = 0
    visibility_timeout_ms: int = 30_000
    dead_letter_queue: str = ""
    version: str = ""
    removed: bool = False


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """A queue; ``consumer`` is one that was added by hand."""

    id: str
    name: str
    created_at: int
    modified_at: int
    settings: Settings = Settings()
    consumer: Consumer | None = None


def id_of(name: str) -> str:
    """Give the id of the queue with a name: the same on every runner."""
    return hashlib.sha256(f"queue:{name}".encode()).hexdigest()[:32]


def queue_name(name: object) -> str:
    """Check a queue's name; raises InvalidInput."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise InvalidInput(
        "a queue's name has 1 to 63 letters, digits, underscores and hyphens, and begins with no hyphen"
    )


async def find(store: Store, id_: str, now: int) -> Record | None:
    """Find the queue with an id."""
    cell = (await store.read(SPACE, [id_], now=now)).get(id_)
    return None if cell is None else msgspec.json.decode(cell.value, type=Record)


async def named(store: Store, name: str, now: int) -> Record:
    """Give the queue with a name, which somebody has declared, so that it is there."""
    id_ = id_of(name)
    return await find(store, id_, now) or Record(id=id_, name=name, created_at=now, modified_at=now)


async def listed(store: Store, now: int) -> list[Record]:
    """List all queues by their names."""
    keys = [cell.key for cell in await store.scan(SPACE, now=now, limit=QUEUES)]
    cells = await store.read(SPACE, keys, now=now)
    found = [msgspec.json.decode(cell.value, type=Record) for cell in cells.values()]
    return sorted(found, key=lambda record: record.name)


async def keep(store: Store, record: Record) -> None:
    """Write a record."""
    await store.write([Cell(space=SPACE, key=record.id, value=msgspec.json.encode(record))])


async def forget(store: Store, id_: str) -> None:
    """Delete a record; the messages are another matter."""
    await store.write([Absent(space=SPACE, key=id_)])

"""Values that the HTTP API, the bindings and the runner pass to each other."""

from __future__ import annotations

import msgspec

Headers = list[tuple[str, str]]


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An instance to create; without an id it gets a random one. ``params`` is an encoded value."""

    id: str | None = None
    params: bytes = b"\x80"


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one Wanted; ``created`` is False when the id existed already: then nothing was done."""

    id: str
    created: bool
    version: str


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow that this runner serves, as its Worker's current version declares it."""

    name: str
    class_name: str
    script_name: str
    binding: str
    version: str
    created_at: int
    modified_at: int
    concurrency: int | None = None
    step_limit: int = 10_000


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A deployed immutable build of a Worker; ``number`` counts from 1, ``digest`` is its manifest's."""

    id: str
    worker: str
    number: int
    digest: str
    message: str
    author: str
    created_at: int
    size_bytes: int
    workflows: list[str]


class HttpRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A request for a Worker's `fetch`, with its whole body."""

    method: str
    url: str
    headers: Headers
    body: bytes


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a Worker's `fetch` answered."""

    status: int
    headers: Headers
    body: bytes

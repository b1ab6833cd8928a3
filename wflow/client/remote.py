"""Where a runner is, and with which token it is spoken to."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from wflow.errors import UsageError

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A runner's address.

    ``socket`` is a unix socket to speak through; the host name in ``url`` is then of no matter. ``hint`` is
    what a person should do when nobody answers.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    account: str = "local"
    socket: Path | None = None
    hint: str = "is the runner up, and is this its URL?"

    def __post_init__(self) -> None:
        """Refuse what is no URL of a runner; raises UsageError."""
        try:
            parts = urlsplit(self.url)
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            good = False
        if not good or parts.query or parts.fragment or parts.username is not None:
            raise UsageError(
                f"{self.url!r} is no URL of a runner", hint="it looks like https://runner.example.com:8788"
            )
        if self.token is not None and not (self.token.isascii() and self.token.isprintable()):
            raise UsageError("the token has characters that no token has", hint="copy it again")

    @property
    def base(self) -> str:
        """The URL without a slash at its end."""
        return self.url.rstrip("/")

    @property
    def is_here(self) -> bool:
        """Whether it is on this machine, so that no proxy lies between."""
        return self.socket is not None or urlsplit(self.url).hostname in LOOPBACK

    def __str__(self) -> str:
        """Name it for a person."""
        return self.base if self.socket is None else f"the socket {self.socket}"

"""The histories of instances: whole files, read as they come."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wflow.client.exchange import Exchange, path_of
from wflow.errors import Unreachable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wflow.client.exchange import Query


@dataclass(frozen=True, slots=True)
class Histories:
    """What it takes to replay instances elsewhere; ``id_`` may be `latest`."""

    exchange: Exchange

    @contextmanager
    def export(
        self,
        workflow: str,
        id_: str,
        *,
        redact: bool = False,
        redact_keys: Sequence[str] = (),
        with_sensitive: bool = False,
    ) -> Iterator[Iterator[bytes]]:
        """Read the file of one, see `wflow.wire.history`, in pieces.

        ``redact`` takes all texts and numbers out, ``redact_keys`` what stands under these keys;
        ``with_sensitive`` leaves outputs of sensitive steps in. Raises Unreachable for one that breaks off.
        """
        query: Query = {
            "redact": redact or None,
            "redact_key": list(redact_keys) or None,
            "with_sensitive": with_sensitive or None,
        }
        account = self.exchange.remote.account
        path = path_of("accounts", account, "workflows", workflow, "instances", id_, "history")
        with self.exchange.stream(path, query=query) as pieces:
            yield self._whole(pieces)

    def _whole(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """Pass them on, and notice when the last one is not the last."""
        end = b""
        for piece in pieces:
            end = (end + piece)[-2:]
            yield piece
        if end != b"}\n":
            raise Unreachable(
                f"{self.exchange.remote} broke off in the middle of a history", hint="try again"
            )

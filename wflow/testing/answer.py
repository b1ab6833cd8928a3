"""What a Worker has answered to a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer with its whole body; names of headers are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """Give the body read as JSON; raises ValueError when it is none."""
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as wrong:
            message = f"the body is no JSON: {wrong}"
            raise ValueError(message) from None

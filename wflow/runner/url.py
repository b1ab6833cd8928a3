"""The address a person can open."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket


def url_of(ip: str, sockets: list[socket.socket]) -> str:
    """Name what listens: by the address that was asked for, or as localhost when that means every address."""
    port = sockets[0].getsockname()[1]
    host = "localhost" if ip in {"0.0.0.0", "::"} else f"[{ip}]" if ":" in ip else ip  # noqa: S104 - a comparison
    return f"http://{host}:{port}"

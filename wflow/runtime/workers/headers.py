"""Headers as Cloudflare's Python gives them: asked for one that is not there, they say None."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wflow.runtime import http

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Given = Iterable[tuple[str, str]] | Mapping[str, str] | http.Headers | None


class Headers(http.Headers):
    """Names and values, as in `wflow.Headers`, made of a dict or of pairs."""

    def __init__(self, given: Given = None) -> None:
        """Copy what is given. Raises ValueError for what HTTP cannot carry."""
        pairs: Any = () if given is None else getattr(given, "items", lambda: given)()
        super().__init__(list(pairs))

    def __getitem__(self, name: str) -> str | None:  # type: ignore[override]
        """Get a header, or None: programs ask like this and look at the answer."""
        return self.get(name)

    def __delitem__(self, name: str) -> None:
        """Remove a header; one that is not there is no error."""
        self._pairs = [pair for pair in self._pairs if pair[0] != name.lower()]

    def get_all(self, name: str, default: list[str] | None = None) -> list[str] | None:
        """List all values of a header; ``default`` when there is none."""
        return [value for key, value in self._pairs if key == name.lower()] or default

    def keys(self) -> list[str]:
        """List the names, as often as they stand."""
        return [name for name, _ in self._pairs]

    def values(self) -> list[str]:
        """List the values."""
        return [value for _, value in self._pairs]

"""Headers as Cloudflare's Python gives them: asked for one that is not there, they say None."""

from __future__ import annotations

from wflow.runtime import headers


class Headers(headers.Headers):
    """Names and values, as in `wflow.Headers`, made of a dict or of pairs."""

    def __getitem__(self, name: str) -> str | None:  # type: ignore[override]
        """Get a header, or None: programs ask like this and look at the answer."""
        return self.get(name)

"""What Cloudflare's Python Workflows import as `workers.workflows`."""

from __future__ import annotations

from wflow.errors import NonRetryableError

__all__ = ["NonRetryableError"]

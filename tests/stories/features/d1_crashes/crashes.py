"""Run as a test of its own: the process dies at each durable write in turn."""

from __future__ import annotations

from typing import Any

from wflow.testing import crash_everywhere


@crash_everywhere
async def test_every_row_is_written_once(wflow: Any) -> Any:
    writer = await wflow.env.WRITER.create()
    result = await writer.result()
    assert result == [[1, 2], [3, 4], 5, 5, 2]
    return result

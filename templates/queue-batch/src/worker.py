"""The Worker: takes orders into a queue, and hands batches of them to the workflow."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from wflow import Request, Response, WorkerEntrypoint

from batch import Batch

__all__ = ["Batch", "Default"]

HELP = """\
POST /orders         order something; the body is {"article": "tea", "count": 2}
GET  /totals/ARTICLE how many were ordered so far
"""


class Default(WorkerEntrypoint):
    """Takes orders, and gathers them."""

    async def fetch(self, request: Request) -> Response:
        parts = [part for part in urlsplit(request.url).path.split("/") if part]
        match request.method, parts:
            case "GET", []:
                return Response(HELP)
            case "POST", ["orders"]:
                order = _order(await request.text())
                if order is None:
                    return _error(400, 'the body must be {"article": "tea", "count": 2}')
                await self.env.ORDERS.send(order)  # on disk when this returns
                return Response.json({"queued": order}, status=202)
            case "GET", ["totals", article]:
                return Response.json({article: int(await self.env.TOTALS.get(article) or 0)})
        return _error(404, f"there is nothing at {request.method} /{'/'.join(parts)}")

    async def queue(self, batch: Any) -> None:
        """Start an instance for a batch. When this raises, the messages are delivered again later.

        A batch may come twice, whole or in part: the instance is named after its first message, so the same
        batch starts one instance.
        """
        orders = [{"id": message.id, **message.body} for message in batch.messages]
        await self.env.BATCHES.create_batch([{"id": orders[0]["id"], "params": {"orders": orders}}])


def _order(text: str) -> dict[str, Any] | None:
    try:
        order = json.loads(text)
    except ValueError:
        return None
    match order:
        case {"article": str(article), "count": int(count), **rest} if (
            article and count > 0 and not rest
        ):
            return {"article": article, "count": count}
    return None


def _error(status: int, message: str) -> Response:
    return Response.json({"error": message}, status=status)

"""The Worker: answers HTTP requests, and starts the workflow."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urljoin, urlsplit

from wflow import InstanceNotFound, Request, Response, WorkerEntrypoint

from workflow import MyWorkflow

__all__ = ["Default", "MyWorkflow"]

HELP = """\
POST /          start an instance; the body may be {"url": "https://..."}
GET  /?id=ID    the status of an instance
GET  /data      the numbers that are fetched when no url is given
"""


class Default(WorkerEntrypoint):
    """Start instances and tell how they are; `/data` is what they work on."""

    async def fetch(self, request: Request) -> Response:
        url = urlsplit(request.url)
        ids = parse_qs(url.query).get("id")
        match request.method, url.path:
            case "GET", "/data":
                return Response.json({"data": [1, 2, 3]})
            case "POST", "/":
                return await self._start(request)
            case "GET", "/" if ids:
                return await self._status(ids[0])
            case "GET", "/":
                return Response(HELP)
        return _error(404, f"there is nothing at {request.method} {url.path}")

    async def _start(self, request: Request) -> Response:
        try:
            params = json.loads(await request.text() or "{}")
        except ValueError as error:
            return _error(400, f"the body is not JSON: {error}")
        if not isinstance(params, dict):
            return _error(400, 'the body must be a JSON object, such as {"url": "https://..."}')

        params.setdefault("url", urljoin(request.url, "/data"))
        instance = await self.env.MY_WORKFLOW.create(params=params)
        status = await instance.status()
        return Response.json({"id": instance.id, "status": status["status"]}, status=201)

    async def _status(self, instance_id: str) -> Response:
        try:
            instance = await self.env.MY_WORKFLOW.get(instance_id)
        except InstanceNotFound:
            return _error(404, f"there is no instance {instance_id}")
        return Response.json(await instance.status())


def _error(status: int, message: str) -> Response:
    return Response.json({"error": message}, status=status)

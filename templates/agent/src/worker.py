"""The Worker: starts agents, tells how they are, and takes what people say to them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urljoin, urlsplit

from wflow import InstanceNotFound, Request, Response, WorkerEntrypoint

from agent import Agent
from rehearsed import reply

__all__ = ["Agent", "Default"]

HELP = """\
POST /                start an agent; the body is {"goal": "...", "budget": 50000}
GET  /ID              how it is, what it waits for, its answer
POST /ID/approval     {"approved": true} or {"approved": false, "why": "..."}
GET  /notes/TITLE     a note that an agent has written
"""


class Default(WorkerEntrypoint):
    """Start agents, and let people talk to them; `/model` is what thinks where no other model is named."""

    async def fetch(self, request: Request) -> Response:
        parts = [part for part in urlsplit(request.url).path.split("/") if part]
        match request.method, parts:
            case "GET", []:
                return Response(HELP)
            case "POST", []:
                return await self._start(request)
            case "POST", ["model"]:
                return Response.json(reply(await request.json()))
            case "GET", ["notes", title]:
                note = await self.env.NOTES.get(title)
                return _error(404, "there is no such note") if note is None else Response(note)
            case "GET", [id_]:
                return await self._with(id_, lambda instance: instance.status())
            case "POST", [id_, "approval"]:
                approval = await _json(request)
                if not isinstance(approval, dict) or not isinstance(approval.get("approved"), bool):
                    return _error(400, 'the body must be {"approved": true} or {"approved": false}')
                return await self._with(
                    id_, lambda instance: instance.send_event("approval", approval)
                )
        return _error(404, f"there is nothing at {request.method} /{'/'.join(parts)}")

    async def _start(self, request: Request) -> Response:
        params = await _json(request)
        if not isinstance(params, dict) or not isinstance(params.get("goal"), str):
            return _error(400, 'the body must be {"goal": "..."}')
        if not self.env.MODEL_URL:
            params["model_url"] = urljoin(request.url, "/model")
        instance = await self.env.AGENT.create(params=params)
        return Response.json({"id": instance.id}, status=201)

    async def _with(self, id_: str, do: Any) -> Response:
        try:
            return Response.json(await do(await self.env.AGENT.get(id_)) or {"ok": True})
        except InstanceNotFound:
            return _error(404, f"there is no agent {id_}")


async def _json(request: Request) -> object:
    try:
        return json.loads(await request.text() or "{}")
    except ValueError:
        return None


def _error(status: int, message: str) -> Response:
    return Response.json({"error": message}, status=status)

"""The Worker: hands each request to the API."""

from __future__ import annotations

from wflow import Request, Response, WorkerEntrypoint
from workers import asgi

from notes import app


class Default(WorkerEntrypoint):
    """Answers HTTP requests with FastAPI."""

    async def fetch(self, request: Request) -> Response:
        return await asgi.fetch(app, request, self.env)

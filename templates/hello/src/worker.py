"""The Worker: answers HTTP requests."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

from wflow import Request, Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    """Greets whoever asks, by the name in the query."""

    async def fetch(self, request: Request) -> Response:
        url = urlsplit(request.url)
        if url.path != "/":
            return Response.json({"error": f"there is nothing at {url.path}"}, status=404)
        name = parse_qs(url.query).get("name", ["world"])[0]
        return Response(f"{self.env.GREETING}, {name}!")

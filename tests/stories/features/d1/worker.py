"""Every method of a database's binding, behind one path, and a workflow whose steps write."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from effects import tell  # type: ignore[import-not-found]

from wflow import Context, Event, Request, Response, WflowError, WorkerEntrypoint, WorkflowEntrypoint

POLL_S = 0.01


class Writer(WorkflowEntrypoint):
    """A step that writes twice the same, then waits for a file; and a query outside any step."""

    async def run(self, event: Event, ctx: Context) -> dict[str, Any]:
        gate = event.payload["gate"]
        ids = await ctx.do("write", self._write, event.instance_id, gate)
        found = (
            await self.env.DB.prepare("SELECT count(*) AS c FROM notes WHERE who = ?")
            .bind(event.instance_id)
            .first("c")
        )
        return {"ids": ids, "count": found}

    async def _write(self, who: str, gate: str) -> list[int]:
        tell(self.env.WITNESS, who, "begins")
        note = self.env.DB.prepare("INSERT INTO notes (who) VALUES (?) RETURNING id").bind(who)
        ids = [await note.first("id"), await note.first("id")]
        tell(self.env.WITNESS, who, "wrote")
        while not Path(gate).exists():  # noqa: ASYNC110, ASYNC240 - it is opened from outside
            await asyncio.sleep(POLL_S)
        return ids


class Default(WorkerEntrypoint):
    """`POST /DB/all` with `{"sql", "params"}` prepares, binds and calls `all`; the others likewise."""

    async def fetch(self, request: Request) -> Response:
        name, method = request.path.strip("/").split("/")
        asked = await request.json()
        try:
            return Response.from_json(await self._called(self.env[name], method, asked))
        except WflowError as error:
            told = {"name": type(error).__name__, "code": error.code, "message": str(error)}
            return Response.from_json({"error": told}, status=409)

    async def _called(self, db: Any, method: str, asked: dict[str, Any]) -> Any:
        match method:
            case "exec":
                return await db.exec(asked["sql"])
            case "batch":
                batch = [db.prepare(each["sql"]).bind(*each.get("params", [])) for each in asked["batch"]]
                return await db.batch(batch)
            case "session":
                return await self._session(db.withSession(asked.get("since")), asked["sqls"])
            case "bytes":
                row = await db.prepare("SELECT ? AS a").bind(bytes(asked["bytes"])).first()
                return [type(row.a).__name__, list(row["a"])]
            case "types":
                return await self._types(db)
            case "dump":
                return len(await db.dump())
        prepared = db.prepare(asked["sql"]).bind(*asked.get("params", []))
        return await getattr(prepared, method)(*asked.get("more", []))

    async def _session(self, session: Any, sqls: list[str]) -> list[str | None]:
        bookmarks = [session.getBookmark()]
        for sql in sqls:
            await session.prepare(sql).run()
            bookmarks.append(session.get_bookmark())
        return bookmarks

    async def _types(self, db: Any) -> Any:
        row = (
            await db.prepare("SELECT ?1 AS n, ?2 AS i, ?3 AS f, ?4 AS s, ?5 AS b, ?6 AS big")
            .bind(None, 1, 1.5, "ü\0x", True, 2**53 + 1)
            .first()
        )
        result = await db.prepare("SELECT 1 AS one, 2 AS two").all()
        first = result.results[0]
        return [
            dict(row),
            [first.one, first["two"], result.success, result.meta.rows_read, result["meta"]["changes"]],
        ]

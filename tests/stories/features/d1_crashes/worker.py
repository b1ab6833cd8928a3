"""A workflow that writes to a database, in steps and beside them."""

from __future__ import annotations

from typing import Any

from wflow import Context, Event, WorkflowEntrypoint

INSERT = "INSERT INTO notes (what) VALUES (?) RETURNING id"


class Writer(WorkflowEntrypoint):
    """Each step writes the same twice; it gives the numbers of the rows, and how many there are."""

    async def run(self, event: Event, ctx: Context) -> list[Any]:
        db = self.env.DB
        await db.exec("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, what TEXT)")
        await db.exec("CREATE TABLE IF NOT EXISTS looks (id INTEGER PRIMARY KEY, what TEXT)")
        first = await ctx.do("first", self._note, "same")
        await ctx.sleep("nap", "1 hour")
        second = await ctx.do("second", self._note, "same")
        beside = await db.prepare(INSERT).bind("beside").first("id")
        looked = await ctx.poll("look", self._look, every="1 minute", timeout="1 hour")
        return [first, second, beside, await db.prepare("SELECT count(*) AS c FROM notes").first("c"), looked]

    async def _look(self) -> int | None:
        """Each check writes what the one before has written, and that is another row."""
        looked = self.env.DB.prepare("INSERT INTO looks (what) VALUES ('look') RETURNING id")
        number = await looked.first("id")
        return number if number == 2 else None

    async def _note(self, what: str) -> list[int]:
        insert = self.env.DB.prepare(INSERT).bind(what)
        return [await insert.first("id"), await insert.first("id")]

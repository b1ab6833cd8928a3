"""The API: notes, kept in the database."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field

app = FastAPI(title="Notes")


class Draft(BaseModel):
    """A note to be written."""

    title: str = Field(min_length=1, max_length=200)
    text: str = Field(default="", max_length=100_000)


class Note(Draft):
    """A note."""

    id: int
    written_at: str


def database(request: Request) -> Any:
    """Give the database that the config binds as DB."""
    return request.scope["env"].DB


Database = Annotated[Any, Depends(database)]


@app.get("/notes")
async def find(
    db: Database, search: str = "", limit: Annotated[int, Field(ge=1, le=100)] = 20
) -> list[Note]:
    """List notes whose title contains something, the newest first."""
    wanted = db.prepare("SELECT * FROM notes WHERE instr(title, ?1) > 0 ORDER BY id DESC LIMIT ?2")
    found = await wanted.bind(search, limit).all()
    return [Note(**row) for row in found.results]


@app.post("/notes", status_code=201)
async def write(draft: Draft, db: Database) -> Note:
    """Write a note; its title must be new."""
    insert = db.prepare(
        "INSERT INTO notes (title, text) VALUES (?1, ?2) ON CONFLICT DO NOTHING RETURNING *"
    )
    row = await insert.bind(draft.title, draft.text).first()
    if row is None:
        raise HTTPException(409, f"there is a note called {draft.title!r}")
    return Note(**row)


@app.get("/notes/{id}")
async def read(id: int, db: Database) -> Note:
    """Read a note."""
    row = await db.prepare("SELECT * FROM notes WHERE id = ?1").bind(id).first()
    if row is None:
        raise HTTPException(404, "there is no such note")
    return Note(**row)


@app.delete("/notes/{id}", status_code=204)
async def remove(id: int, db: Database) -> None:
    """Remove a note; one that is not there is no error."""
    await db.prepare("DELETE FROM notes WHERE id = ?1").bind(id).run()

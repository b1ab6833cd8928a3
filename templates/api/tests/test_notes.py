"""Tests of this project, which runs in the process of the test, on a database of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from wflow.testing import Kit

MIGRATIONS = sorted((Path(__file__).parent.parent / "migrations").glob("*.sql"))


@pytest.fixture
async def notes(wflow: Kit) -> Kit:
    """Have the tables there."""
    for migration in MIGRATIONS:
        for statement in migration.read_text(encoding="utf-8").split(";"):
            if statement.strip():
                await wflow.env.DB.prepare(statement).run()
    return wflow


async def write(kit: Kit, **draft: Any) -> Any:
    headers = {"content-type": "application/json"}
    return await kit.fetch("/notes", method="POST", body=json.dumps(draft), headers=headers)


async def test_a_note_is_written_and_read(notes: Kit) -> None:
    written = await write(notes, title="milk", text="two")
    assert written.status == 201
    note = written.json()
    assert (await notes.fetch(f"/notes/{note['id']}")).json() == note
    assert note["title"] == "milk"


async def test_notes_are_found_by_their_title_the_newest_first(notes: Kit) -> None:
    for title in ("milk", "tea", "milk shake"):
        await write(notes, title=title)
    found = (await notes.fetch("/notes?search=milk")).json()
    assert [note["title"] for note in found] == ["milk shake", "milk"]
    assert len((await notes.fetch("/notes?limit=1")).json()) == 1


async def test_a_title_is_taken_once(notes: Kit) -> None:
    assert [(await write(notes, title="milk")).status for _ in range(2)] == [201, 409]


async def test_what_makes_no_sense_is_refused(notes: Kit) -> None:
    assert (await write(notes, title="")).status == 422
    assert (await notes.fetch("/notes?limit=0")).status == 422
    assert (await notes.fetch("/notes/7")).status == 404


async def test_a_note_is_removed(notes: Kit) -> None:
    note = (await write(notes, title="milk")).json()
    for _ in range(2):
        assert (await notes.fetch(f"/notes/{note['id']}", method="DELETE")).status == 204
    assert (await notes.fetch("/notes")).json() == []

"""A database, asked in short words, and time as a test has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from wflow.databases.executing import Statement
from wflow.databases.faults import D1Error

if TYPE_CHECKING:
    from wflow.databases.database import Database, Outcome

NOON = 1_795_348_800_000


class Clock:
    """Milliseconds since 1970, moved by hand."""

    def __init__(self) -> None:
        self.at = NOON

    def __call__(self) -> int:
        return self.at


class Asked:
    """A database, asked in short words."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def run(self, *sqls: str, **more: Any) -> Outcome:
        """Run statements without parameters as a batch."""
        return await self.database.query([Statement(sql) for sql in sqls], **more)

    async def rows(self, sql: str, *params: object) -> list[Any]:
        """Give the rows of one statement."""
        outcome = await self.database.query([Statement(sql, list(params))])
        return list(outcome.answers[0].rows())

    async def refusal(self, *sqls: str) -> str:
        """Give what is said of statements that are refused."""
        with pytest.raises(D1Error) as refused:
            await self.run(*sqls)
        return refused.value.message

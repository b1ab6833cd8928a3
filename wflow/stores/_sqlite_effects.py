"""What steps did to others, written to SQLite in the transaction of their outcomes."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from wflow.stores import _sqlite_operations as operations
from wflow.stores import _sqlite_queues as messages
from wflow.stores.store import Cell

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Collection, Iterator, Sequence

    from wflow.stores._sqlite_cells import Cells
    from wflow.stores._sqlite_queues import SqliteQueues
    from wflow.stores._sqlite_rows import Counters
    from wflow.stores.store import Effects


def keep(
    db: sqlite3.Connection, counters: Counters, effects: Sequence[Effects], refused: Collection[int]
) -> None:
    """Write what was done by steps of instances that are not refused. Nothing of it can be refused by now."""
    for one in effects:
        if one.instance not in refused:
            operations.write(db, one.cells)
            operations.insert(db, counters, one.new)
            messages.insert(db, one.messages)


@contextlib.contextmanager
def around(effects: Sequence[Effects], cells: Cells, queues: SqliteQueues) -> Iterator[int]:
    """Have everybody hear of what the block writes; give how many bytes of values that are."""
    if not effects:
        yield 0
        return
    changes = [cell for one in effects for cell in one.cells]
    size = sum(len(cell.value) for cell in changes if isinstance(cell, Cell))
    size += sum(len(new.params) for one in effects for new in one.new)
    size += sum(len(message.body) for one in effects for message in one.messages)
    with cells.changing(changes):
        yield size
    queues.arrived({message.queue for one in effects for message in one.messages})

"""What a database may hold and a query may take: Cloudflare's numbers where it has one."""

from __future__ import annotations

from typing import Final

COLUMNS: Final = 100
"""Columns of a table, and of a result."""
VALUE_BYTES: Final = 2_000_000
"""A row, a text or a blob."""
STATEMENT_BYTES: Final = 100_000
PARAMETERS: Final = 100
"""Bound to one statement."""
LIKE_BYTES: Final = 50
"""A pattern of LIKE or GLOB."""
ARGUMENTS: Final = 32
"""Of one SQL function."""
EXPRESSION_DEPTH: Final = 100
QUERY_S: Final = 30.0
"""How long a call of a database may work, a batch likewise; then it is stopped, and nothing of it is kept."""
QUEUE_S: Final = 30.0
"""How long a call may wait for its turn."""
WAITING: Final = 500
"""Calls of one database that may wait."""
READERS: Final = 4
"""Calls of one database that read at once; one more writes."""
BATCH: Final = 1_000
"""Statements of one batch: as many queries as Cloudflare lets an invocation make."""
TEXT_STATEMENTS: Final = 10_000
"""Statements of one text (`exec`, or `sql` over HTTP)."""
RESULT_BYTES: Final = 32 * 1024 * 1024
"""What one call may give back."""
DATABASE_BYTES: Final = 10 * 1024**3
NAME_CHARS: Final = 64
DATABASES: Final = 50_000
"""On one runner."""
OPEN: Final = 128
"""Databases whose files are open at once; what rests longest is closed."""
IDLE_S: Final = 60.0
"""After how long without a call a database is closed."""
IMPORT_BYTES: Final = 5 * 1024**3
KEEP_MS: Final = 30 * 86_400_000
"""How far back time travel goes."""
HISTORY_BYTES: Final = 1024**3
"""History beyond that and four times the database's size is let go, the oldest first, however young it is."""
TRANSFERS: Final = 8
"""Exports and imports of one database of the last hour."""
TRANSFER_S: Final = 3_600.0
"""How long an export can be fetched, and an uploaded file waits to be imported."""
EFFECTS_MS: Final = 30 * 86_400_000
"""How long a database remembers what steps have written."""

"""SQL is split where its statements end, however it is quoted and whatever piece it comes in."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.databases import limits
from wflow.databases.faults import D1Error
from wflow.databases.splitting import Splitter, first_word, has_names, split

TRIGGER = (
    "CREATE /* a */ TRIGGER t AFTER INSERT ON a BEGIN\n UPDATE a SET x = ';' WHERE CASE 1 WHEN 1 THEN 2 END;"
    " DELETE FROM b; -- end;\nEND;"
)
STATEMENTS = [
    "SELECT 1;",
    "SELECT ';' || \"a;\" || [b;] || `c;`;",
    "INSERT INTO t VALUES ('it''s; --', \"x\"\"y;\");",
    "SELECT 2 -- not; here\n;",
    "SELECT /* nor; \n here ' */ 3;",
    TRIGGER,
    'CREATE TABLE "trigger" (a);',
    "SELECT 4 - 1 / 2;",
]
pieces = st.lists(st.sampled_from([*STATEMENTS, ";", "-- only words;\n", "/* ; */", " \n "]), max_size=8)


@given(pieces, st.integers(1, 40))
def test_pieces_of_any_size_give_the_same_statements(parts, step):
    text = "\n".join(parts)
    wanted = [part for part in parts if part in STATEMENTS]
    assert [_bare(piece.sql) for piece in split(text)] == wanted
    splitter = Splitter()
    found = [piece for at in range(0, len(text), step) for piece in splitter.feed(text[at : at + step])]
    assert [*found, *splitter.close()] == split(text)


def test_each_statement_knows_its_line():
    text = "-- one\nSELECT 1;\n\n  SELECT\n2; SELECT 3"
    assert [(piece.line, piece.sql) for piece in split(text)] == [
        (2, "-- one\nSELECT 1;"),
        (4, "SELECT\n2;"),
        (5, "SELECT 3"),
    ]


def test_what_sqlite_calls_complete_is_one_statement():
    assert all(sqlite3.complete_statement(piece.sql) for piece in split("\n".join(STATEMENTS)))


def test_a_statement_that_never_ends_is_refused_and_takes_no_memory():
    splitter = Splitter()
    assert not list(splitter.feed("'" + "x" * (limits.STATEMENT_BYTES // 2)))
    with pytest.raises(D1Error, match="statement too long"):
        list(splitter.feed("x" * (limits.STATEMENT_BYTES // 2)))


def test_names_of_parameters_are_told_from_text():
    assert all(has_names(sql) for sql in ("SELECT :a", "SELECT @a", "SELECT 1+$a", "SELECT 'x' || :a"))
    assert not any(
        has_names(sql) for sql in ("SELECT ':a'", "SELECT 1 -- :a", 'SELECT "@a"', "SELECT '10:30'")
    )


def test_the_first_word_is_found_behind_comments():
    assert first_word(" /* a */ -- b\n Select 1") == "select"
    assert first_word("") == ""


def _bare(sql: str) -> str:
    """Leave out the comments and semicolons that stood before a statement."""
    return next(each for each in STATEMENTS if sql.endswith(each))

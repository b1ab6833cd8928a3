from __future__ import annotations

from pathlib import Path

import pytest

from wflow.engine import status

ARCHITECTURE = Path(status.__file__).parent.parent / "ARCHITECTURE.md"
BEGIN, END = "<!-- moves -->", "<!-- /moves -->"


def picture() -> str:
    """Draw the table of moves: a line each, the status where it begins."""
    lines = ["```", f"{'status':<17}{'verb':<11}next"]
    for before, moves in status.MOVES.items():
        rows = [f"{verb:<11}{after}" for verb, after in moves.items()] or ["(the end)"]
        lines += [f"{before:<17}{rows[0]}", *(f"{'':<17}{row}" for row in rows[1:])]
    return "\n".join([*lines, "```"])


def test_the_picture_in_the_architecture_is_the_table():
    text = ARCHITECTURE.read_text(encoding="utf-8")
    _, begun, rest = text.partition(BEGIN)
    shown, ended, _ = rest.partition(END)
    assert (begun, ended) == (BEGIN, END), f"no block between {BEGIN} and {END}"
    assert shown.strip() == picture()


# A row for each status: where each verb leads from there, in their order.
SHORT = {
    "qu": status.QUEUED,
    "ru": status.RUNNING,
    "wa": status.WAITING,
    "pg": status.PAUSING,
    "pd": status.PAUSED,
    "rb": status.ROLLING_BACK,
    "er": status.ERRORED,
    "te": status.TERMINATED,
    "co": status.COMPLETE,
    "-": None,
}
VERBS = ["start", "rest", "pause", "hold", "resume", "rollBack", "finish", "fail", "restart", "terminate"]
TABLE = """
qu    ru    -     pd    -     -      -        -      -    qu      te
ru    -     wa    pg    pd    -      rb       co     er   qu      te
wa    ru    -     pd    -     -      -        -      -    qu      te
pg    -     pd    -     pd    ru     rb       co     er   qu      te
pd    ru    -     -     -     qu     -        -      -    qu      te
rb    -     rb    -     pd    -      -        -      er   -       te
er    -     -     -     -     -      -        -      -    qu      -
te    -     -     -     -     -      -        -      -    qu      -
co    -     -     -     -     -      -        -      -    qu      -
"""
MOVES = [
    (str(SHORT[before]), verb, SHORT[after])
    for before, *row in map(str.split, TABLE.strip().splitlines())
    for verb, after in zip(VERBS, row, strict=True)
]


@pytest.mark.parametrize(("before", "verb", "after"), MOVES)
def test_each_verb_leads_where_it_should_or_nowhere(before, verb, after):
    assert status.after(before, verb) == after


def test_there_are_no_other_moves():
    assert {(before, verb) for before, moves in status.MOVES.items() for verb in moves} == {
        (before, verb) for before, verb, after in MOVES if after is not None
    }
    assert sorted({before for before, *_ in MOVES}) == sorted(status.ALL)


def test_every_move_leads_to_a_status_of_the_table():
    assert {after for moves in status.MOVES.values() for after in moves.values()} <= set(status.MOVES)


def test_every_status_can_be_reached_from_queued():
    reached = {status.QUEUED}
    while more := {to for at in reached for to in status.MOVES[at].values()} - reached:
        reached |= more
    assert reached == set(status.ALL)


def test_what_ended_can_only_be_restarted_and_all_else_can_be_terminated():
    assert {"complete", "errored", "terminated"} == status.ENDED
    for before, moves in status.MOVES.items():
        ended = before in status.ENDED
        assert (moves.get("terminate") == status.TERMINATED) is not ended
        assert (moves == {"restart": status.QUEUED}) is ended


def test_whatever_is_done_to_it_an_instance_that_rolls_back_ends_badly():
    moves = status.MOVES[status.ROLLING_BACK]
    assert set(moves.values()) & status.ENDED == {status.ERRORED, status.TERMINATED}

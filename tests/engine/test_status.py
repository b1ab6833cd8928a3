from __future__ import annotations

from pathlib import Path

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


def test_every_move_leads_to_a_status_of_the_table():
    assert {after for moves in status.MOVES.values() for after in moves.values()} <= set(status.MOVES)


def test_every_status_can_be_reached_from_queued():
    reached = {status.QUEUED}
    while more := {to for at in reached for to in status.MOVES[at].values()} - reached:
        reached |= more
    assert reached == set(status.ALL)


def test_what_ended_has_no_moves_and_all_else_can_be_terminated():
    assert {"complete", "errored", "terminated"} == status.ENDED
    for before, moves in status.MOVES.items():
        assert (moves.get("terminate") == status.TERMINATED) is (before not in status.ENDED)


def test_a_move_is_looked_up_by_its_verb():
    assert status.after("running", "rest") == "waiting"
    assert status.after("waitingForPause", "rest") == "paused"
    assert status.after("complete", "terminate") is None
    assert status.after("queued", "finish") is None

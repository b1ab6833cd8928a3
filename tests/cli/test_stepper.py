"""`wflow replay --step`, by a person at a pipe."""

from __future__ import annotations

import pytest

from tests.cli.test_replay import edit, file, project

__all__ = ["project"]


@pytest.fixture
def walk(process, project):
    """Walk through a history by commands; gives what was printed after the title."""

    def walked(name, *commands, code=0):
        ran = process("replay", file(name), "--step", stdin="".join(f"{each}\n" for each in commands))
        assert ran.code == code, ran.err + ran.out
        assert ran.err in ("", "printed\n")
        return ran.out.splitlines()[1:]

    return walked


def places(lines):
    """Tell where it stopped, by number."""
    return [int(line.split("/")[0]) for line in lines if line.split("/")[0].isdecimal()]


def test_it_stops_before_each_outcome_and_at_the_end(walk):
    lines = walk("retries", "n", "next", "", "n", "n", "n", "quit")
    assert places(lines) == [1, 2, 3, 4, 5]
    assert lines[0] == '1/5  stumbles-1 (step) gives "stands"'
    assert "await ctx.do(" in lines[1]
    assert lines[2] == "2/5  breaks-1 (step) gives KeyError: 'broken'"
    assert lines[-2:] == ["end: replays cleanly, 5 of 5", "this is the end; `back` goes back, `quit` leaves"]


def test_it_goes_back_and_to_any_outcome(walk):
    lines = walk("looping", "goto 20", "b", "goto 33", "n", "back", "g 5", "g 34", "b", "q")
    assert places(lines) == [1, 20, 19, 33, 33, 5, 33]
    assert lines.count("end: replays cleanly, 33 of 33") == 2


def test_the_beginning_and_wrong_commands_are_told(walk):
    lines = walk("steps", "back", "goto", "goto 0", "goto 11", "goto x", "dance", "h")
    assert lines[2] == "this is the beginning"
    assert lines[3:7] == ["goto takes a number from 1 to 10"] * 4
    assert lines[7] == "there is no command 'dance'; `help` lists them"
    assert any(line.startswith("pdb ") for line in lines)


def test_the_end_of_what_is_piped_in_leaves(walk):
    assert places(walk("steps")) == [1]


def test_all_outcomes_are_listed_with_the_place(walk):
    lines = walk("steps", "n", "l")
    marked = [line.split()[:3] for line in lines if line.startswith("=>")]
    assert marked == [["=>", "2", "double-2"]]
    assert len(lines) == 4 + 1 + 9


def test_a_whole_value_is_shown(walk):
    lines = walk("mapping", "goto 3", "v")
    assert lines[4:5] == ["4"]
    assert lines[5].startswith("at 20")


def test_the_locals_of_all_tasks_are_shown_the_one_first_that_hears(walk):
    lines = walk("parallel", "locals", "goto 12", "locals")
    first = lines[2:]
    assert first[0].endswith("hears of it next")
    assert any(line.strip().startswith("Parallel.run, src/worker.py:") for line in first)
    produced = [line for line in lines if line.strip().startswith("Parallel.run.<locals>.produce")]
    assert len(produced) >= 1
    assert any(line.strip().startswith("number = ") for line in lines)


def test_the_code_around_the_await_is_shown(walk):
    lines = walk("steps", "where")
    (at,) = [line for line in lines if line.startswith(">")]
    assert "await ctx.do(" in at
    assert any("async def run(self" in line for line in lines)


def test_what_is_secret_is_hidden_in_the_locals_as_well(walk, project):
    edit(
        project,
        "        return len(secret)",
        '        await ctx.sleep("more", 1)\n        return len(secret)',
    )
    lines = walk("telling", "v", "n", "p", "q", code=1)
    assert "[REDACTED]" in lines
    assert "    secret = [REDACTED]" in lines


def test_the_code_can_be_looked_at_where_it_parts_from_the_journal(walk, project):
    edit(project, 'ctx.do("triple", triple, 3)', 'ctx.do("triple", triple, 4)')
    lines = walk("steps", "goto 4", "locals", "n", "q", code=1)
    at = lines.index("here the code and the journal part; `locals` and `where` show where the code is")
    assert "called with other arguments" in lines[at + 1]
    assert "    found = [2, 4, 6]" in lines[at:]
    assert "the first difference, after 3 of 9:" in lines


def test_one_can_go_back_from_where_they_part(walk, project):
    edit(project, 'ctx.do("triple", triple, 3)', 'ctx.do("thrice", triple, 3)')
    assert places(walk("steps", "goto 9", "back", "q", code=1)) == [1, 3]


# -- pdb -----------------------------------------------------------------------------------------------------


def test_pdb_goes_on_in_the_code_with_the_outcome(walk):
    lines = walk("retries", "pdb", "p len(locals()) > 2", "n", "p found", "c", "q")
    text = "\n".join(lines)
    assert "\nTrue\n" in text
    assert "-> for options in (" in text
    assert "\n['stands']\n" in text
    assert places(lines) == [1, 2]
    assert "\n2/5  breaks-1" in text


def test_pdb_steps_over_awaits_from_outcome_to_outcome(walk):
    lines = walk("looping", "pdb", "n", "n", "n", "p number, total", "n", "p number", "c", "q")
    assert "(1, 0)" in lines
    text = "\n".join(lines)
    assert "-> if number % 10 == 9:" in text


def test_pdb_stops_at_breakpoints(walk, project):
    source = (project / "src" / "worker.py").read_text().splitlines()
    at = next(number for number, line in enumerate(source, 1) if 'ctx.sleep("breath"' in line)
    lines = walk("looping", "pdb", f"b src/worker.py:{at}", "c", "p number, total", "c", "p number", "q", "q")
    assert "(9, 90)" in lines
    assert "19" in lines


def test_pdb_is_left_by_q_and_the_replay_goes_on(walk):
    lines = walk("steps", "pdb", "q", "n", "n", "q")
    assert places(lines) == [1, 2, 3]


def test_pdb_goes_on_in_who_awaits_what_has_ended(walk):
    lines = walk("parallel", "goto 15", "pdb", "n", "n", "n", "n", "n", "q", "q")
    text = "\n".join(lines)
    assert "in produce()" in text or "produce()" in text
    assert "run()" in text


def test_a_breakpoint_in_the_code_leads_into_pdb(walk, project):
    edit(
        project,
        '        found.append(await ctx.do("triple"',
        '        breakpoint()\n        found.append(await ctx.do("triple"',
    )
    lines = walk("steps", "goto 9", "p found", "c", "q")
    assert "[2, 4, 6]" in lines
    assert places(lines) == [1, 9]


def test_where_no_code_waits_there_is_nothing_to_debug(walk):
    assert "no code of yours waits here" in walk("steps", "goto 10", "pdb", "q")

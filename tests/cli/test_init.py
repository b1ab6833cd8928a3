from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
from pathlib import Path

# A terminal turns the key into a signal only for the process whose own terminal it is.
OWN_TERMINAL = """
import fcntl, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from wflow.cli import app
sys.argv = ["wflow", "init"]
sys.exit(app.main())
"""


def test_a_project_is_made_and_the_next_steps_are_told(wflow):
    ran = wflow("init", "shop", "--template", "workflows")
    assert ran.code == 0
    assert ran.out.startswith("Created shop from the template `workflows`: ")
    assert "  cd shop\n  wflow dev\n" in ran.err
    assert 'name = "shop"' in Path("shop/wflow.toml").read_text(encoding="utf-8")


def test_without_a_terminal_the_default_name_is_taken_and_said(process):
    ran = process("init", "--template", "workflows")
    assert ran.code == 0
    assert "taking `my-workflow`" in ran.err
    assert Path("my-workflow/wflow.toml").is_file()


def test_yes_asks_nothing(wflow):
    assert wflow("init", "-y").code == 0
    assert Path("my-workflow/wflow.toml").is_file()


def test_the_folder_one_stands_in_can_become_the_project(wflow):
    ran = wflow("init", ".", "-y")
    assert ran.code == 0
    assert "cd " not in ran.err
    assert 'name = "work"' in Path("wflow.toml").read_text(encoding="utf-8")


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(wflow):
    Path("shop").mkdir()
    Path("shop/mine.txt").write_text("mine", encoding="utf-8")
    ran = wflow("init", "shop", "-y")
    assert (ran.code, ran.out) == (1, "")
    assert "error: `shop` is not empty" in ran.err
    assert [entry.name for entry in Path("shop").iterdir()] == ["mine.txt"]


def test_an_unknown_template_is_refused_with_the_ones_there_are(wflow):
    ran = wflow("init", "shop", "--template", "workflow")
    assert ran.code == 1
    assert "did you mean `workflows`?" in ran.err
    assert not Path("shop").exists()


def test_the_templates_are_listed_on_stdout(wflow):
    ran = wflow("init", "--list-templates")
    assert (ran.code, ran.err) == (0, "")
    assert "workflows" in ran.out
    assert list(Path.cwd().iterdir()) == []


def test_at_a_terminal_the_name_is_asked_for_until_it_is_one():
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "wflow", "init"], stdin=theirs, stdout=theirs, stderr=theirs
    ) as asking:
        os.close(theirs)
        os.write(ours, b"-no-\nshop\n\n")
        shown = read_all(ours)
        assert asking.wait(timeout=20) == 0
    assert "What is the project's name? [my-workflow]:" in shown
    assert "cannot name a project" in shown
    assert "Which template? [workflows]:" in shown
    assert Path("shop/wflow.toml").is_file()


def test_ctrl_c_at_the_question_makes_nothing():
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", OWN_TERMINAL]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as asking:
        os.close(theirs)
        shown = b""
        while b"name?" not in shown:
            shown += os.read(ours, 1_000)
        # The one that comes between the question and the waiting for its answer may go unheard.
        for _ in range(10):
            os.write(ours, b"\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                asking.wait(timeout=2)
                break
        assert asking.returncode == 130
        assert "nothing was done" in read_all(ours)
    assert list(Path.cwd().iterdir()) == []


def read_all(terminal: int) -> str:
    shown = b""
    while True:
        try:
            read = os.read(terminal, 10_000)
        except OSError:  # Linux says so when the other end is closed
            break
        if not read:
            break
        shown += read
    os.close(terminal)
    return shown.decode()

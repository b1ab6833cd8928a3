from __future__ import annotations

import errno
import stat
import sys

from wflow.cli import failure
from wflow.errors import LoadError, UsageError


def kept(home):
    return sorted((home / ".local" / "state" / "wflow" / "errors").glob("*.txt"))


def bug() -> Exception:
    try:
        return Exception(1 // 0)
    except ZeroDivisionError as error:
        return error


def test_an_error_is_a_message_an_empty_line_and_a_hint(capsys):
    assert failure.report(UsageError("this cannot be", hint="do that")) == 1
    assert capsys.readouterr().err == "error: this cannot be\n\nhint: do that\n"


def test_an_error_without_a_hint_ends_with_its_message(capsys):
    assert failure.report(UsageError("this cannot be")) == 1
    assert capsys.readouterr().err == "error: this cannot be\n"


def test_user_code_that_does_not_import_is_shown_with_its_own_traceback(capsys):
    error = LoadError(
        "src/worker.py does not import", hint="mend line 3", trace='  File "src/worker.py", line 3\n'
    )
    assert failure.report(error) == 1
    assert capsys.readouterr().err == (
        'error: src/worker.py does not import\n\n  File "src/worker.py", line 3\n\nhint: mend line 3\n'
    )


def test_what_others_wrote_cannot_steer_the_terminal(capsys):
    failure.report(UsageError("\x1b[2Jgone"))
    assert capsys.readouterr().err == "error: \\x1b[2Jgone\n"


def test_a_disk_that_is_full_is_not_called_our_bug(capsys, home):
    assert failure.report(OSError(errno.ENOSPC, "No space left on device", "/data/x")) == 1
    assert "the disk refused /data/x: No space left on device" in capsys.readouterr().err
    assert kept(home) == []


def test_the_traceback_of_a_bug_is_for_its_owner_alone_and_holds_no_secret(capsys, home, monkeypatch):
    monkeypatch.setattr(
        sys,
        "argv",
        ["wflow", "login", "--token", "s3cret", "--token=s3cret", "--var", "KEY:s3cret", "--url", "u"],
    )
    assert failure.report(bug()) == 2
    (file,) = kept(home)
    text = file.read_text(encoding="utf-8")
    assert "wflow login --token *** --token=*** --var *** --url u" in text
    assert "s3cret" not in text
    assert "ZeroDivisionError: " in text
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_of_the_tracebacks_only_the_last_twenty_are_kept(capsys, home):
    for _ in range(21):
        failure.report(bug())
    names = [file.name for file in kept(home)]
    assert len(names) == 20
    assert names[-1] in capsys.readouterr().err.splitlines()[-1]


def test_where_no_file_can_be_written_the_traceback_is_printed(capsys, home):
    (home / ".local").write_text("in the way")
    assert failure.report(bug()) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_the_state_folder_follows_xdg_unless_that_is_relative(home, monkeypatch, tmp_path):
    assert failure.state_folder() == home / ".local" / "state" / "wflow"
    monkeypatch.setenv("XDG_STATE_HOME", "here")
    assert failure.state_folder() == home / ".local" / "state" / "wflow"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert failure.state_folder() == tmp_path / "wflow"

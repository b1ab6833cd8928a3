from __future__ import annotations

import stat

import pytest

from wflow.cli import credentials
from wflow.cli.credentials import Credentials
from wflow.errors import UsageError

MINE = Credentials(url="http://127.0.0.1:8788", token='t"\\o\nken')


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_what_was_written_is_read_back():
    assert credentials.read() is None
    credentials.write(MINE)
    assert credentials.read() == MINE


def test_only_the_owner_can_read_the_file_and_see_the_folder():
    file = credentials.write(MINE)
    assert (mode(file), mode(file.parent)) == (0o600, 0o700)
    assert [entry.name for entry in file.parent.iterdir()] == ["credentials.toml"]


def test_writing_again_replaces_what_was_there_and_mends_its_mode():
    file = credentials.write(MINE)
    file.chmod(0o644)
    credentials.write(Credentials(url="http://other", token="new"))
    assert credentials.read() == Credentials(url="http://other", token="new")
    assert mode(file) == 0o600


def test_a_token_that_others_can_read_is_warned_of(capsys):
    file = credentials.write(MINE)
    file.chmod(0o640)
    assert credentials.read() == MINE
    assert f"chmod 600 {file}" in capsys.readouterr().err


@pytest.mark.parametrize("content", [b"", b"url = 1\ntoken = 2\n", b"no toml", b"\xff"])
def test_a_spoilt_file_is_told_with_the_way_out(content):
    credentials.write(MINE).write_bytes(content)
    with pytest.raises(UsageError, match="makes no sense") as refused:
        credentials.read()
    assert "wflow login" in (refused.value.hint or "")


def test_forgetting_removes_the_file_once():
    file = credentials.write(MINE)
    assert credentials.remove() == file
    assert credentials.remove() is None
    assert credentials.read() is None


def test_the_folder_follows_the_environment(home, monkeypatch, tmp_path):
    assert credentials.path() == home / ".config" / "wflow" / "credentials.toml"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert credentials.path() == tmp_path / "wflow" / "credentials.toml"
    monkeypatch.setenv("WFLOW_CONFIG_HOME", str(tmp_path / "own"))
    assert credentials.path() == tmp_path / "own" / "credentials.toml"


def test_a_token_is_not_shown_by_accident():
    assert MINE.token not in repr(MINE)

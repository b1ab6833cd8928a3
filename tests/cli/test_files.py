from __future__ import annotations

import pytest

from wflow.cli import files
from wflow.errors import UsageError


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


def test_pieces_become_a_file(folder):
    assert files.write(folder / "a", [b"one", b"two"]) == 6
    assert (folder / "a").read_bytes() == b"onetwo"


def test_what_breaks_off_leaves_nothing(folder):
    def pieces():
        yield b"one"
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        files.write(folder / "a", pieces())
    assert list(folder.iterdir()) == []


def test_a_folder_in_the_way_is_told(folder):
    (folder / "a").mkdir()
    with pytest.raises(UsageError, match="cannot write"):
        files.write(folder / "a", [b"one"])
    assert [each.name for each in folder.iterdir()] == ["a"]

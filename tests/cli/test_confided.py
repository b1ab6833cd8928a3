from __future__ import annotations

import io
import sys

import pytest

from wflow.cli import confided
from wflow.errors import ConfigError, UsageError


@pytest.fixture
def pipe(monkeypatch):
    def fill(raw: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(raw)))

    return fill


def test_a_piped_secret_loses_the_blanks_behind_it(pipe):
    pipe(" ß\nb \r\n\n".encode())
    assert confided.typed("KEY") == " ß\nb"


@pytest.mark.parametrize("raw", [b"", b" \n", b"\xff", b"x" * (confided.INPUT_BYTES + 1)])
def test_what_is_no_secret_is_refused(pipe, raw):
    pipe(raw)
    with pytest.raises(UsageError):
        confided.typed("KEY")


def test_several_come_as_json_or_as_lines_from_a_file_or_a_pipe(pipe, tmp_path):
    file = tmp_path / "secrets"
    file.write_text(' {"A": "1", "B": null}')
    assert confided.several(file) == {"A": "1", "B": None}
    file.write_text("A='1 #'\n# no\nexport B=2\n")
    assert confided.several(file) == {"A": "1 #", "B": "2"}
    pipe(b'{"A": "$B"}')
    assert confided.several(None) == {"A": "$B"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"A": "hunter2"', "is no JSON at line 1"),
        ('{"A": ["hunter2"]}', "the secret A in secrets is no text"),
        ("{}", "has no secrets"),
        ("", "has no secrets"),
        ("A=1\nhunter2 hunter2", "must be `NAME=value`"),
        ("[" * 100_000, "must be `NAME=value`"),
        ('{"A":' * 100_000, "is no JSON"),
    ],
)
def test_what_is_no_file_of_secrets_is_told_and_not_shown(tmp_path, text, told):
    file = tmp_path / "secrets"
    file.write_text(text)
    with pytest.raises((UsageError, ConfigError)) as refused:
        confided.several(file)
    assert told in refused.value.message
    assert "hunter2" not in refused.value.message

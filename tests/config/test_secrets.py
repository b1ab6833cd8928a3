from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.config.secrets import dev_vars
from wflow.errors import ConfigError

if TYPE_CHECKING:
    from tests.config.conftest import Folder

CONFIG = """\
name = "shop"
main = "src/worker.py"
kv_namespaces = [{ binding = "KV" }]
vars = { RATE = 1 }
[env.staging]
"""


def read(folder: Folder, environment: str | None = None) -> tuple[dict[str, str], list[str]]:
    values, files = dev_vars(folder.load(CONFIG, environment))
    return values, [path.relative_to(folder.root).as_posix() for path in files]


def test_a_project_without_secrets_has_none(folder: Folder):
    assert read(folder) == ({}, [])


@pytest.mark.parametrize(
    ("present", "environment", "files"),
    [
        (".dev.vars .dev.vars.staging .env", None, ".dev.vars"),
        (".dev.vars .dev.vars.staging .env", "staging", ".dev.vars.staging"),
        (".dev.vars .env", "staging", ".dev.vars"),
        (".dev.vars.staging .env", None, ".env"),
        (".env .env.staging .env.local .env.staging.local", None, ".env .env.local"),
        (".env .env.staging .env.local", "staging", ".env .env.staging .env.local"),
        (".env .env.local .env.staging.local", "staging", ".env .env.local .env.staging.local"),
    ],
)
def test_the_most_specific_file_wins(folder: Folder, present: str, environment: str | None, files: str):
    for name in present.split():
        folder.write(name, f"WHO={name}\n")
    assert read(folder, environment) == ({"WHO": files.rsplit(maxsplit=1)[-1]}, files.split())


def test_dotenv_files_are_joined(folder: Folder):
    folder.write(".env", "A=1\nB=1\n")
    folder.write(".env.local", "B=2\n")
    assert read(folder)[0] == {"A": "1", "B": "2"}


def test_files_that_are_named_replace_the_others(folder: Folder):
    folder.write(".dev.vars", "A=1\n")
    folder.write("x/one", "A=2\nB=2\n")
    two = folder.write("two", "B=3\n")
    assert dev_vars(folder.load(CONFIG), [Path("x/one"), two]) == (
        {"A": "2", "B": "3"},
        [folder.root / "x/one", two],
    )


def test_a_named_file_that_is_not_there_is_an_error(folder: Folder):
    with pytest.raises(ConfigError, match=r"cannot read .*nowhere: No such file"):
        dev_vars(folder.load(CONFIG), [Path("nowhere")])


def test_a_folder_named_env_is_no_file(folder: Folder):
    (folder.root / ".env").mkdir()
    assert read(folder) == ({}, [])


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("K=v", "v"),
        ("  export K = v  # why", "v"),
        ("K: v", "v"),
        ("K=", ""),
        ("K= # nothing", ""),
        ("K=a b=c", "a b=c"),
        ("K=it's", "it's"),
        ("K='a # b'", "a # b"),
        ('K="a\\nb" # c', "a\nb"),
        ("K='a\\nb'", "a\\nb"),
        ("K=`a\"'b`", "a\"'b"),
        ('K="-----BEGIN\nKEY-----\n"\n', "-----BEGIN\nKEY-----\n"),
        ("K=$HOME", "$HOME"),
        ("# K=1\n\nK=2\r\n", "2"),
        ("K=1\nK=2", "2"),
    ],
)
def test_a_line_is_read_as_dotenv_reads_it(folder: Folder, text: str, value: str):
    folder.write(".dev.vars", "").write_bytes(text.encode())
    assert read(folder)[0] == {"K": value}


def test_what_is_no_line_of_dotenv_is_told_without_its_value(folder: Folder):
    folder.write(".dev.vars", "A=1\nhunter2\n\nB='hunter2' hunter2\nKV=hunter2\nRATE=2\n")
    with pytest.raises(ConfigError) as caught:
        read(folder)
    assert caught.value.message == (
        "`.dev.vars` has 3 problems\n"
        "\n"
        "  .dev.vars:2   must be `NAME=value`; a value that begins with a quote ends with it\n"
        "  .dev.vars:4   must be `NAME=value`; a value that begins with a quote ends with it\n"
        "  .dev.vars:5   KV: is the name of a binding in `kv_namespaces`"
    )


def test_a_secret_may_replace_a_var(folder: Folder):
    folder.write(".dev.vars", "RATE=2")
    assert read(folder)[0] == {"RATE": "2"}


@given(st.text(alphabet="AK=:'\"`\\#\n\r\t .1"))
def test_any_text_is_read_or_refused(shared: Folder, text: str):
    project = shared.load(CONFIG)
    (shared.root / ".dev.vars").write_bytes(text.encode())
    refused = ""
    try:
        values, _ = dev_vars(project)
        assert all(values)
    except ConfigError as error:
        refused = error.message
    assert not refused or "`.dev.vars`" in refused

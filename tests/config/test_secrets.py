from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.config.secrets import dev_vars, missing
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


REQUIRED = """\
name = "shop"
main = "src/worker.py"
[secrets]
required = ["KEY", "OTHER"]
"""


def test_only_what_is_required_is_taken_and_what_is_missing_is_named(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("OTHER", raising=False)
    folder.write(".dev.vars", "KEY=1\nMORE=2\n")
    project = folder.load(REQUIRED)
    values, _ = dev_vars(project)
    assert values == {"KEY": "1"}
    assert missing(project, values) == ["OTHER"]
    assert dev_vars(folder.load(REQUIRED.replace('"KEY", "OTHER"', "")))[0] == {}
    assert missing(folder.load(CONFIG), {}) == []


def test_what_the_session_was_started_with_wins_over_env_files_for_required_secrets(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OTHER", "mine")
    monkeypatch.setenv("MORE", "mine")
    folder.write(".env", "KEY=1\nOTHER=2\nMORE=3\n")
    assert dev_vars(folder.load(REQUIRED))[0] == {"KEY": "1", "OTHER": "mine"}
    assert dev_vars(folder.load(CONFIG))[0] == {"KEY": "1", "OTHER": "2", "MORE": "3"}
    monkeypatch.setenv("CLOUDFLARE_INCLUDE_PROCESS_ENV", "true")
    assert dev_vars(folder.load(CONFIG))[0]["MORE"] == "mine"
    folder.write(".dev.vars", "OTHER=file\n")
    assert dev_vars(folder.load(REQUIRED))[0] == {"OTHER": "file"}


def test_env_files_may_be_left_aside(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    folder.write(".env", "KEY=1\n")
    monkeypatch.setenv("CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV", "false")
    assert read(folder) == ({}, [])
    folder.write(".dev.vars", "KEY=2\n")
    assert read(folder) == ({"KEY": "2"}, [".dev.vars"])


def test_names_with_a_dollar_are_replaced_in_env_files_and_not_in_dev_vars(folder: Folder):
    lines = "A=1\nB=$A-${A}\nC=${NO:-d}${A:-d}$NO\nD=\\$A\nE=$E$F\nF=$B\nG=5$\n"
    folder.write(".env", lines)
    assert read(folder)[0] == {"A": "1", "B": "1-1", "C": "d1", "D": "$A", "E": "$B", "F": "1-1", "G": "5$"}
    folder.write(".dev.vars", "A=1\nB=$A\n")
    assert read(folder)[0] == {"A": "1", "B": "$A"}


def test_values_do_not_grow_without_end(folder: Folder):
    folder.write(".env", "A0=" + "x" * 60 + "\n" + "".join(f"A{n + 1}=$A{n}$A{n}\n" for n in range(60)))
    with pytest.raises(ConfigError, match="has more than 1,048,576 characters") as refused:
        read(folder)
    assert "xxx" not in refused.value.message

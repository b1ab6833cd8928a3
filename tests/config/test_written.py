from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wflow.config import written
from wflow.config.load import load
from wflow.config.written import Given
from wflow.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.config.conftest import Folder

KV = Given(way=("kv_namespaces",), binding="KV", values={"id": "f00"})
DB = Given(way=("d1_databases",), binding="DB", values={"database_name": "app", "database_id": "d1"})
JOBS = Given(way=("queues", "producers"), binding="JOBS", values={"queue": "jobs"})
ALL = [KV, DB, JOBS]

TOML = """\
# Our shop.
name = "shop" # its name
main = "src/worker.py"
kv_namespaces = [
  { binding = "CACHE", id = "given" }, # mine
  { binding = "KV" },
]

# the database
[[d1_databases]]
binding = "DB"   # db
migrations_dir = "db"

[queues]
producers = [{ binding = "JOBS", delivery_delay = 5 }]

[env.staging] # first try
[env.staging.vars]
A = 1

[[env.live.kv_namespaces]]
binding = "KV"

# the end
"""

JSONC = """\
// Our shop.
{
  "name": "shop", /* its name */
  "main": "src/worker.py",
  "kv_namespaces": [
    { "binding": "CACHE", "id": "given" }, // mine
    {
      "binding": "KV" // ours
    },
  ],
  "d1_databases": [{ "binding": "DB", "migrations_dir": "db" }],
  "queues": { "producers": [{ "binding": "JOBS", "delivery_delay": 5 }] },
  "env": {
    "staging": { "vars": { "A": 1 } },
    "live": {
      // the real one
      "kv_namespaces": [{ "binding": "KV" }],
    },
  },
}
"""

FILES = {"wflow.toml": TOML, "wrangler.jsonc": JSONC}


def comments(text: str) -> list[str]:
    return [
        word
        for word in ("Our shop", "its name", "mine", "the database", "first try", "the end")
        if word in text
    ]


@pytest.mark.parametrize("name", list(FILES))
@pytest.mark.parametrize("environment", [None, "staging", "live"])
def test_what_was_given_is_read_and_all_else_is_as_it_was(folder: Folder, name: str, environment: str | None):
    path = folder.write(name, FILES[name])
    others = [other for other in (None, "staging", "live") if other != environment]
    before = {other: load(folder.root, environment=other) for other in others}
    written.write(path, environment, ALL)
    project = load(folder.root, environment=environment)
    assert [(kv.binding, kv.id) for kv in project.kv_namespaces if kv.binding == "KV"] == [("KV", "f00")]
    (database,), (producer,) = project.d1_databases, project.producers
    assert (database.id, database.name, database.migrations_dir) == ("d1", "app", "db")
    assert (producer.queue, producer.delivery_delay) == ("jobs", 5)
    after = path.read_text()
    assert comments(after) == comments(FILES[name])
    for line in FILES[name].splitlines():
        assert (
            line.rstrip(",") in after
            or '"A": 1' in line
            or '"JOBS"' in line
            or '"KV"' in line
            or '"DB"' in line
        ), line
    for other in others:
        now = load(folder.root, environment=other)
        same = "kv_namespaces", "d1_databases", "vars", "name"
        if environment is None:
            assert [each.id for each in now.d1_databases] == [None], "each environment has its own"
            assert [each.id for each in now.kv_namespaces if each.binding == "KV"] == [None]
        else:
            assert [getattr(now, key) for key in same] == [getattr(before[other], key) for key in same]
            assert now.producers == before[other].producers


@pytest.mark.parametrize("name", list(FILES))
def test_writing_it_once_more_changes_nothing(folder: Folder, name: str):
    path = folder.write(name, FILES[name])
    written.write(path, "staging", ALL)
    once = path.read_bytes()
    written.write(path, "staging", ALL)
    assert path.read_bytes() == once


def test_the_files_mode_its_line_ends_and_its_mark_are_kept(folder: Folder):
    path = folder.root / "wflow.toml"
    path.write_bytes(b"\xef\xbb\xbf" + TOML.replace("\n", "\r\n").encode())
    path.chmod(0o640)
    written.write(path, None, [KV])
    raw = path.read_bytes()
    assert raw.startswith(b"\xef\xbb\xbf# Our shop.\r\n")
    assert raw.count(b"\n") == raw.count(b"\r\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert load(folder.root).kv_namespaces[1].id == "f00"
    assert sorted(each.name for each in folder.root.iterdir()) == ["src", "wflow.toml"], "no drafts"


def test_a_link_stays_a_link(folder: Folder, tmp_path: Path):
    real = folder.write("shared/real.toml", TOML)
    link = folder.root / "wflow.toml"
    link.symlink_to(real)
    written.write(link, None, [KV])
    assert link.is_symlink()
    assert 'id = "f00"' in real.read_text()


@pytest.mark.parametrize(
    ("config", "environment"),
    [
        ('env = { staging = {} }\nkv_namespaces = [{ binding = "KV" }]\n', "staging"),
        ('[[kv_namespaces]]\nbinding = "OTHER"\n', None),
        ("kv_namespaces = []\n", None),
        ("[[kv_namespaces\n", None),
    ],
)
def test_where_there_is_no_telling_the_file_stays_and_a_person_is_told(
    folder: Folder, config: str, environment: str | None
):
    path = folder.write("wflow.toml", config)
    with pytest.raises(UsageError, match=r"there is no telling where in `wflow\.toml`") as refused:
        written.write(path, environment, [KV])
    assert path.read_text() == config
    assert 'kv_namespaces, binding KV: id = "f00"' in (refused.value.hint or "")


def test_a_binding_over_several_lines_is_found(folder: Folder):
    path = folder.write("wflow.toml", TOML.replace('binding = "DB"', 'binding = """\\\n  DB"""'))
    written.write(path, None, [DB])
    assert load(folder.root).d1_databases[0].id == "d1"


def test_a_file_that_another_one_changes_meanwhile_keeps_both_changes(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
):
    path = folder.write("wflow.toml", TOML)
    edited = written._edited

    def slowly(raw, *more):
        if b"# edited" not in raw:
            path.write_bytes(raw + b"# edited\n")
        return edited(raw, *more)

    monkeypatch.setattr(written, "_edited", slowly)
    written.write(path, None, [KV])
    assert path.read_text().endswith("# edited\n")
    assert 'id = "f00"' in path.read_text()


def test_a_file_that_is_always_being_changed_is_left_alone(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    path = folder.write("wflow.toml", TOML)
    edited = written._edited

    def slowly(raw, *more):
        path.write_bytes(raw + b"#\n")
        return edited(raw, *more)

    monkeypatch.setattr(written, "_edited", slowly)
    with pytest.raises(UsageError, match="is being changed all the time"):
        written.write(path, None, [KV])
    assert path.read_text() == TOML + "#\n" * written.TRIES


def test_a_failure_on_the_way_leaves_the_file_whole(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    path = folder.write("wflow.toml", TOML)

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match="No space left"):
        written.write(path, None, [KV])
    assert path.read_text() == TOML
    assert sorted(each.name for each in folder.root.iterdir()) == ["src", "wflow.toml"]


NAMES = st.sampled_from(["KV", "DB", "JOBS", "X"])


@settings(deadline=None, max_examples=60)
@given(st.lists(NAMES, unique=True, min_size=1), st.sampled_from(["json", "inline", "tables"]), st.data())
def test_whatever_the_layout_is_it_says_what_it_should(shared: Folder, names: list[str], how: str, data):
    mark = "//" if how == "json" else "#"
    gap = data.draw(st.sampled_from(["", " ", "\n", f" {mark} x\n"]))
    if how == "json":
        entries = ",".join(f'{{{gap}"binding": "{name}"{gap}}}' for name in names)
        text = f'{{"name": "a", "main": "src/worker.py", "kv_namespaces": [{gap}{entries}{gap}]}}'
    elif how == "inline":
        entries = f",{gap}".join(f'{{ binding = "{name}" }}' for name in names)
        text = f'name = "a"\nmain = "src/worker.py"\nkv_namespaces = [{gap}{entries}{gap}]\n'
    else:
        entries = "".join(f'[[kv_namespaces]]\n{gap}binding = "{name}"{gap}\n' for name in names)
        text = f'name = "a"\nmain = "src/worker.py"\n{entries}'
    path = shared.write("wrangler.jsonc" if how == "json" else "wflow.toml", text)
    wanted = data.draw(st.sampled_from(names))
    written.write(path, None, [Given(way=("kv_namespaces",), binding=wanted, values={"id": "f00"})])
    found = load(path=path).kv_namespaces
    assert {kv.binding: kv.id for kv in found} == dict.fromkeys(names) | {wanted: "f00"}

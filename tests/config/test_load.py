from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import tomlkit
from hypothesis import given, settings
from hypothesis import strategies as st

from wflow.config.load import FILE_BYTES_MAX, find, load
from wflow.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.config.conftest import Folder

BROKEN = Path(__file__).with_name("broken")
"""Broken files, each with the report about it beside it."""
GOOD = 'name = "shop"\nmain = "src/worker.py"\n'


def test_wflow_toml_is_found_upward(folder: Folder):
    path = folder.write("wflow.toml", GOOD)
    deep = folder.root / "a" / "b"
    deep.mkdir(parents=True)
    project = load(deep)
    assert (project.path, project.root) == (path, folder.root)


def test_the_working_directory_is_where_it_starts(folder: Folder, monkeypatch: pytest.MonkeyPatch):
    folder.write("wflow.toml", GOOD)
    monkeypatch.chdir(folder.root)
    assert load().root == folder.root


def test_wrangler_toml_is_read_when_there_is_no_wflow_toml(folder: Folder):
    wrangler = folder.write("a/wrangler.toml", GOOD)
    folder.write("a/src/worker.py", "")
    assert load(folder.root / "a").path == wrangler
    mine = folder.write("wflow.toml", GOOD)
    assert find(folder.root / "a") == mine


def test_a_file_may_be_named(folder: Folder):
    path = folder.write("other.toml", GOOD)
    assert load(folder.root / "src", path=path).path == path


def test_no_file_says_where_it_looked_and_what_to_do(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert caught.value.message == f"no `wflow.toml` in {tmp_path} or any folder above it"
    assert caught.value.hint == "make a project with `wflow init NAME`, or go to the folder of yours"


FLOWS = """\
// Ours.
{
  "name": "shop",
  "main": "src/worker.py", /* a class */
  "compatibility_flags": ["python_workers", "python_workflows",],
  "workflows": [
    {
      "binding": "FLOW",
      "name": "flow",
      "class_name": "MyWorkflow",
      "concurrency": { "limit": 3 },
    },
  ],
  "vars": { "RATE": 1.5, "ON": true, "NOTHING": null, "LIST": [1, "a"] },
  "env": { "staging": { "vars": { "RATE": 2 } } },
}
"""


@pytest.mark.parametrize("name", ["wrangler.jsonc", "wrangler.json", "config/any.jsonc"])
def test_a_jsonc_is_read_as_a_toml_is(folder: Folder, name: str):
    path = folder.write(name, FLOWS)
    folder.write(f"{path.parent.relative_to(folder.root)}/src/worker.py", "class MyWorkflow: ...")
    project = load(folder.root, path=path if "config" in name else None, environment="staging")
    assert (project.path, project.name, project.main) == (path, "shop-staging", "src/worker.py")
    assert project.compatibility_flags == ("python_workers", "python_workflows")
    assert (project.workflows[0].class_name, project.workflows[0].concurrency) == ("MyWorkflow", 3)
    assert project.vars == {"RATE": 2, "ON": True, "NOTHING": None, "LIST": [1, "a"]}
    (note,) = project.notes
    assert note.endswith(
        "env.staging: has FLOW, LIST, NOTHING, ON from the top of the file, which wrangler would leave out"
    )
    assert load(folder.root, path=path if "config" in name else None).notes == ()
    assert project.unserved == {}


def test_wranglers_files_are_found_in_wranglers_order(folder: Folder):
    for name in ("wrangler.toml", "wrangler.jsonc", "wrangler.json", "wflow.toml"):
        path = folder.write(name, GOOD)
        assert find(folder.root) == path


def test_a_report_about_a_jsonc_has_its_lines(folder: Folder):
    folder.write(
        "wrangler.jsonc",
        """\
        {
          "name": "shop",
          "main": "src/index.ts",
          "workflows": {
            "binding": "W"
          },
          "kv_namespaces": [
            { "binding": "1KV" },
            { "binding": "OK", "id": null }
          ],
          "env": []
        }
        """,
    )
    with pytest.raises(ConfigError) as caught:
        load(folder.root)
    assert caught.value.message == (
        "`wrangler.jsonc` has 5 problems\n\n"
        '  wrangler.jsonc:3    main: must be a Python file: wflow runs no JavaScript such as "src/index.ts"\n'
        '  wrangler.jsonc:4    workflows: must be an array of tables: write `"workflows": [{...}]`\n'
        "  wrangler.jsonc:8    kv_namespaces[0].binding: must be a Python name "
        '(letters, digits and `_`, with no digit and no `__` first), not "1KV"\n'
        "  wrangler.jsonc:9    kv_namespaces[1].id: "
        "must be a string of 1-1,024 printable characters, not null\n"
        "  wrangler.jsonc:11   env: must hold tables such as `[env.staging]`, not an array"
    )


def test_what_means_nothing_to_wflow_in_wranglers_files_is_noted_and_told_when_it_is_missed(folder: Folder):
    folder.write(
        "wrangler.jsonc",
        """\
        {
          "$schema": "node_modules/wrangler/config-schema.json",
          "name": "shop",
          "main": "src/worker.py",
          "compatability_date": "2026-01-01",
          "brand_new": { "x": 1 },
          "r2_buckets": [{ "binding": "FILES", "bucket_name": "files" }],
          "durable_objects": { "bindings": [{ "name": "ROOM", "class_name": "Room" }] },
          "hyperdrive": [{ "binding": "PG", "id": "x" }],
          "assets": { "directory": "./public", "binding": "ASSETS" },
          "triggers": { "events": [] },
          "containers": [{ "name": "box", "class_name": "Box" }],
          "dev": { "port": 9000, "local_protocol": "https" },
          "kv_namespaces": [{ "binding": "KV", "ttl": 5 }],
          "env": { "staging": { "dev": { "port": 1 }, "ai": { "binding": "AI" } } }
        }
        """,
    )
    project = load(folder.root, environment="staging")
    assert project.dev.port == 9_000
    assert project.unserved == {
        "FILES": "r2_buckets",
        "ROOM": "durable_objects",
        "PG": "hyperdrive",
        "ASSETS": "assets",
        "AI": "ai",
    }
    told = [note.removeprefix("wrangler.jsonc:") for note in project.notes]
    assert '2 "$schema": ignored, wflow has no use for it' in told
    assert "5 compatability_date: unknown key (did you mean `compatibility_date`?); ignored" in told
    assert any(note.startswith("6 brand_new: unknown key (known keys: name, main, ") for note in told)
    assert "7 r2_buckets: not supported by wflow yet; ignored" in told
    assert "11 triggers.events: not supported by wflow yet; ignored" in told
    assert "13 dev.local_protocol: not supported by wflow yet; ignored" in told
    assert any(note.startswith("14 kv_namespaces[0].ttl: unknown key") for note in told)
    assert "15 env.staging.dev: can be set only at the top of the file; ignored" in told


def test_wrangler_toml_is_wranglers_too(folder: Folder):
    folder.write("wrangler.toml", GOOD + 'nwe = 1\n[[r2_buckets]]\nbinding = "DB"\n')
    project = load(folder.root)
    assert project.unserved == {"DB": "r2_buckets"}
    assert len(project.notes) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{}", "`wrangler.jsonc` has 2 problems"),
        ("", "1:1   expected `{`: the file is one object, at the end of the file"),
    ],
)
def test_a_jsonc_that_says_nothing_is_refused(folder: Folder, text: str, told: str):
    folder.write("wrangler.jsonc", text)
    with pytest.raises(ConfigError) as caught:
        load(folder.root)
    assert told in caught.value.message


def test_a_report_about_a_file_elsewhere_says_where_it_is(folder: Folder):
    path = folder.write("wflow.toml", "nmae = 1")
    with pytest.raises(ConfigError) as caught:
        load(folder.root / "src")
    assert caught.value.hint == f"the file is {path}"
    with pytest.raises(ConfigError) as caught:
        load(folder.root)
    assert caught.value.hint is None


@pytest.mark.parametrize("name", [path.stem for path in sorted(BROKEN.glob("*.toml"))])
def test_everything_wrong_with_a_file_is_told_in_one_report(folder: Folder, name: str):
    config, report = (BROKEN / f"{name}.toml").read_text(), (BROKEN / f"{name}.txt").read_text()
    assert folder.refusal(config) + "\n" == report


def test_the_other_spelling_of_the_limit_is_taken_with_a_note(folder: Folder):
    flow = '[[workflows]]\nbinding = "W"\nname = "w"\nclass_name = "MyWorkflow"\n[workflows.concurrency]\n'
    project = folder.load(GOOD + flow + "concurrency = 50000")
    assert project.workflows[0].concurrency == 50_000
    assert project.notes == (
        "wflow.toml:8 workflows[0].concurrency.concurrency: read as `concurrency.limit`",
    )
    assert folder.refusal(GOOD + flow + "concurrency = 5\nlimit = 6").endswith(
        "  wflow.toml:8   workflows[0].concurrency.concurrency: is 5, but `concurrency.limit` is 6"
    )


def test_wranglers_harmless_keys_are_ignored_with_a_note(folder: Folder):
    project = folder.load(
        """\
        name = "shop"
        main = "src/worker.py"
        workers_dev = true
        observability = { enabled = true }
        kv_namespaces = [{ binding = "KV", remote = false }]
        [env.staging]
        route = "example.com/*"
        """
    )
    assert project.notes == (
        "wflow.toml:3 workers_dev: ignored, wflow has no use for it",
        "wflow.toml:4 observability: ignored, wflow has no use for it",
        "wflow.toml:5 kv_namespaces[0].remote: ignored, wflow has no use for it",
    )


def test_a_file_that_windows_saved_is_read(folder: Folder):
    (folder.root / "wflow.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load(folder.root).name == "shop"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\n\xff", "is not UTF-8 text (line 2)"),
        (b"#" * (FILE_BYTES_MAX + 1), "is larger than 1,048,576 bytes"),
    ],
)
def test_what_is_no_text_is_refused(folder: Folder, content: bytes, told: str):
    path = folder.root / "wflow.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load(folder.root)
    assert caught.value.message == f"{path} {told}"


@pytest.mark.parametrize("name", ["missing.toml", "src"])
def test_a_file_that_cannot_be_read_says_why(folder: Folder, name: str):
    with pytest.raises(ConfigError, match=r"cannot read .*: "):
        load(path=folder.root / name)


def test_naming_the_module_loads_nothing_heavy():
    code = "import sys, wflow.config.load, wflow.config.secrets; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"tomlkit", "tomllib", "asyncio", "typer"} & set(loaded.split())


def loads_or_is_refused(folder: Folder, text: str, environment: str | None) -> None:
    folder.write("wflow.toml", "").write_bytes(text.encode())
    refused = ""
    try:
        load(folder.root, environment=environment)
    except ConfigError as error:
        refused = error.message
    assert not refused or "wflow.toml" in refused
    assert refused.replace("\n", "").isprintable()


FULL = (
    Path(__file__).with_name("everything.toml").read_text()
    + '[env.staging.vars]\nRATE = 2\n[[env.staging.kv_namespaces]]\nbinding = "B"\n'
)
ENVIRONMENTS = st.sampled_from([None, "staging", "other"])
WORDS = st.sampled_from(
    ["env", "workflows", "name", "main", "binding", "queues", "producers", "queue", "vars", "dev", "a.b"]
)
SCALARS = (
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(["KV", "MyWorkflow", "src/worker.py", "\0", "../x.py", "class"])
    | st.dates(min_value=dt.date(1000, 1, 1))
    | st.times()
    | st.datetimes(min_value=dt.datetime(1000, 1, 1))  # noqa: DTZ001 (TOML knows local ones)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(), inner, max_size=3)
)


@st.composite
def mutants(draw: st.DrawFn) -> str:
    """A good config with some values replaced, removed or added, wherever they are."""
    document = tomlkit.parse(FULL).unwrap()
    for _ in range(draw(st.integers(1, 4))):
        table = draw(st.sampled_from(list(tables(document))))
        change = draw(st.sampled_from(["add", "replace", "remove"]))
        if change == "add" or not table:
            table[draw(WORDS | st.text())] = draw(VALUES)
        elif change == "replace":
            table[draw(st.sampled_from(sorted(table)))] = draw(VALUES)
        else:
            del table[draw(st.sampled_from(sorted(table)))]
    return tomlkit.dumps(document)


def tables(value: object) -> Iterator[dict[str, object]]:
    """Every table in a config, however deep."""
    if isinstance(value, dict):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for child in inner:
        yield from tables(child)


@st.composite
def patched(draw: st.DrawFn) -> str:
    """A good config with a piece of its text replaced."""
    start, length = draw(st.integers(0, len(FULL))), draw(st.integers(0, 30))
    patch = draw(st.text(max_size=10) | st.text(alphabet="[]{}=.,\"'\\#\n\r\t 1ae", max_size=10))
    return FULL[:start] + patch + FULL[start + length :]


@settings(deadline=None)
@given(mutants(), ENVIRONMENTS)
def test_a_changed_config_loads_or_is_refused(shared: Folder, text: str, environment: str | None):
    loads_or_is_refused(shared, text, environment)


@settings(deadline=None)
@given(patched(), ENVIRONMENTS)
def test_a_patched_config_loads_or_is_refused(shared: Folder, text: str, environment: str | None):
    loads_or_is_refused(shared, text, environment)

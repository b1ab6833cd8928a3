from __future__ import annotations

import os
import stat
import string
import tempfile
import threading
import tomllib
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from wflow.errors import UsageError, WflowError
from wflow.scaffold.create import _fill, create, name_of, valid_name
from wflow.scaffold.templates import CARD, Template, get

LETTERS = string.ascii_lowercase + string.digits + "_"
NAMES = st.builds(str.__add__, st.sampled_from(LETTERS), st.text(LETTERS + "-", max_size=62))


@pytest.fixture
def template(tmp_path: Path) -> Template:
    """A small template that has been used where it lies."""
    folder = tmp_path / "templates/tiny"
    for path, text in {
        CARD: "",
        "wflow.toml": 'name = "tiny-one"\r\n# tiny-one, not tiny-one-2, my-tiny-one or Tiny-one\r\n',
        "src/worker.py": "NAME = 'tiny-one'\n",
        "src/template.toml": "kept = true\n",
        ".gitignore": ".wflow/\n",
        "run.sh": "#!/bin/sh\n",
        ".wflow/state.sqlite": "x",
        ".venv/bin/python": "x",
        ".env": "SECRET=1",
        ".env.local": "SECRET=1",
        ".dev.vars": "SECRET=1",
        ".dev.vars.staging": "SECRET=1",
        ".env.example": "SECRET=",
        "src/__pycache__/worker.cpython-311.pyc": "x",
        "src/stray.pyc": "x",
    }.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())
    (folder / "run.sh").chmod(0o555)
    (folder / "src/worker.py").chmod(0o444)
    return Template(
        name="tiny", summary="a tiny one", path=folder, own_name="tiny-one", named_in=("wflow.toml",)
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty folder to make projects in."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


# --- what is made ---


def test_a_project_has_the_files_of_its_template_and_nothing_that_use_left_there(
    template: Template, place: Path
):
    made = create(template, place / "shop", name="shop")
    assert made.path == place / "shop"
    assert made.files == (
        ".env.example",
        ".gitignore",
        "run.sh",
        "src/template.toml",
        "src/worker.py",
        "wflow.toml",
    )
    assert everything(place) == ["shop", *sorted([*(f"shop/{file}" for file in made.files), "shop/src"])]


def test_the_name_is_replaced_as_a_word_in_the_listed_files_only(template: Template, place: Path):
    made = create(template, place / "shop", name="shop")
    assert (made.path / "wflow.toml").read_bytes() == (
        b'name = "shop"\r\n# shop, not tiny-one-2, my-tiny-one or Tiny-one\r\n'
    )
    assert (made.path / "src/worker.py").read_text() == "NAME = 'tiny-one'\n"


def test_a_script_stays_executable_and_a_read_only_template_gives_writable_files(
    template: Template, place: Path
):
    made = create(template, place / "shop", name="shop")
    assert stat.S_IMODE((made.path / "run.sh").stat().st_mode) & 0o700 == 0o700
    assert stat.S_IMODE((made.path / "src/worker.py").stat().st_mode) & 0o700 == 0o600


def test_folders_and_files_get_the_rights_that_the_umask_leaves(template: Template, place: Path):
    (place / "plain").mkdir()
    (place / "plain/file").touch()
    made = create(template, place / "shop", name="shop")
    assert made.path.stat().st_mode == (place / "plain").stat().st_mode
    assert (made.path / "wflow.toml").stat().st_mode == (place / "plain/file").stat().st_mode


def test_parents_are_made(template: Template, place: Path):
    made = create(template, place / "a/b/shop", name="shop")
    assert (made.path / "wflow.toml").is_file()


def test_a_relative_path_is_seen_from_where_the_person_is(
    template: Template, place: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(place)
    made = create(template, Path("a/../shop"), name="shop")
    assert made.path == place / "shop"
    assert everything(place)[0] == "shop"


def test_an_empty_folder_is_filled_and_stays_the_same_folder(template: Template, place: Path):
    before = place.stat().st_ino
    made = create(template, place, name="shop")
    assert place.stat().st_ino == before
    assert everything(place) == sorted([*made.files, "src"])


def test_a_parent_that_is_a_link_is_the_persons_own_affair(template: Template, place: Path, tmp_path: Path):
    (tmp_path / "shortcut").symlink_to(place)
    create(template, tmp_path / "shortcut/shop", name="shop")
    assert (place / "shop/wflow.toml").is_file()


# --- what is refused, and leaves nothing ---


def test_a_folder_that_is_not_empty_is_refused_and_unchanged(template: Template, place: Path):
    (place / ".hidden").touch()
    with pytest.raises(UsageError, match="is not empty") as refused:
        create(template, place, name="shop")
    assert refused.value.hint
    assert everything(place) == [".hidden"]


def test_a_file_in_the_way_is_refused_and_unchanged(template: Template, place: Path):
    (place / "shop").write_text("mine")
    with pytest.raises(UsageError, match="is a file"):
        create(template, place / "shop", name="shop")
    assert (place / "shop").read_text() == "mine"


@pytest.mark.parametrize("there", ["nowhere", "empty"])
def test_a_link_in_the_way_is_refused_and_nothing_is_written_behind_it(
    template: Template, place: Path, tmp_path: Path, there: str
):
    (tmp_path / "empty").mkdir()
    (place / "shop").symlink_to(tmp_path / there)
    with pytest.raises(UsageError, match="is a link"):
        create(template, place / "shop", name="shop")
    assert everything(tmp_path / "empty") == []
    assert everything(place) == ["shop"]


def test_a_parent_that_is_a_file_is_refused(template: Template, place: Path):
    (place / "a").write_text("mine")
    with pytest.raises(UsageError, match="cannot create"):
        create(template, place / "a/b/shop", name="shop")
    assert everything(place) == ["a"]


def test_a_path_that_the_disk_refuses_is_told_and_its_parents_are_taken_away(template: Template, place: Path):
    with pytest.raises(UsageError, match="name too long"):
        create(template, place / "a/b" / ("x" * 300), name="shop")
    assert everything(place) == []


def test_a_bad_name_makes_nothing(template: Template, place: Path):
    with pytest.raises(UsageError, match="cannot name a project"):
        create(template, place / "shop", name="-shop")
    assert everything(place) == []


def test_a_template_with_a_link_fails_half_way_and_leaves_nothing(
    template: Template, place: Path, tmp_path: Path
):
    (tmp_path / "secret").write_text("secret")
    (template.path / "zz").symlink_to(tmp_path / "secret")
    with pytest.raises(WflowError, match="holds no links"):
        create(template, place / "a/b/shop", name="shop")
    assert everything(place) == []


def test_a_failure_in_the_middle_of_writing_leaves_nothing(template: Template, place: Path):
    (template.path / "zz").mkdir()
    (template.path / "zz" / ("y" * 200)).touch()
    deep = place
    longest = os.pathconf(place, "PC_PATH_MAX") - 150  # room for the first files, not for the last
    while (room := longest - len(str(deep))) > 1:
        deep /= "d" * min(room - 1, 200)
    deep.mkdir(parents=True)

    with pytest.raises(UsageError, match="name too long"):
        create(template, deep / "shop", name="shop")
    assert everything(deep) == []


def test_a_failure_while_an_empty_folder_is_filled_leaves_it_empty(
    template: Template, place: Path, tmp_path: Path
):
    (template.path / "zz").symlink_to(tmp_path)
    with pytest.raises(WflowError, match="holds no links"):
        create(template, place, name="shop")
    assert everything(place) == []


@pytest.mark.parametrize(("target", "winners"), [("shop", {1}), ("a/b/shop", {1}), (".", {0, 1})])
def test_of_many_who_make_the_same_project_at_most_one_succeeds(
    template: Template, place: Path, target: str, winners: set[int]
):
    made: list[Path] = []
    refused: list[UsageError] = []
    together = threading.Barrier(6)

    def attempt() -> None:
        together.wait(timeout=10)
        try:
            made.append(create(template, place / target, name="shop").path)
        except UsageError as error:
            refused.append(error)

    people = [threading.Thread(target=attempt) for _ in range(6)]
    for person in people:
        person.start()
    for person in people:
        person.join(timeout=20)

    assert len(made) + len(refused) == 6
    assert len(made) in winners
    project = everything(place / target) if made else []
    assert len(project) == (7 if made else 0)
    assert not list(place.rglob(".wflow-init-*"))


def test_a_folder_that_someone_else_fills_meanwhile_stays_theirs(template: Template, place: Path):
    (place / "wflow.toml").write_text("theirs")
    with pytest.raises(UsageError, match="not empty any more"):
        _fill(template, place, "shop")
    assert everything(place) == ["wflow.toml"]
    assert (place / "wflow.toml").read_text() == "theirs"


# --- names ---


@given(NAMES)
def test_a_name_that_keeps_the_rule_is_taken(name: str):
    valid_name(name)


@given(st.text(max_size=80))
def test_any_other_name_is_refused_with_one_in_the_hint_that_is_taken(text: str):
    assume(not (0 < len(text) <= 63 and set(text) <= set(LETTERS + "-") and text[0] != "-"))
    with pytest.raises(UsageError) as refused:
        valid_name(text)
    assert "\n" not in refused.value.message
    valid_name(str(refused.value.hint).removeprefix("try `").removesuffix("`"))


@pytest.mark.parametrize(
    ("text", "mended"),
    [
        ("my shop", "my-shop"),
        ("-x", "x"),
        ("x\n", "x"),
        ("café.v2", "cafe-v2"),
        ("a/b", "a-b"),
        ("..", "my-workflow"),
        ("", "my-workflow"),
        ("日本", "my-workflow"),
        ("x" * 64, "x" * 63),
        ("MyShop", "myshop"),
    ],
)
def test_a_bad_name_is_mended_in_the_hint(text: str, mended: str):
    with pytest.raises(UsageError) as refused:
        valid_name(text)
    assert refused.value.hint == f"try `{mended}`"


@settings(max_examples=25)
@given(NAMES)
def test_whatever_its_name_a_project_of_the_real_template_can_be_read(name: str):
    with tempfile.TemporaryDirectory() as folder:
        made = create(get("workflows"), Path(folder) / "project", name=name)
        config = tomllib.loads((made.path / "wflow.toml").read_text(encoding="utf-8"))
        project = tomllib.loads((made.path / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        readme = (made.path / "README.md").read_text(encoding="utf-8")
    assert config["name"] == config["workflows"][0]["name"] == name
    assert config["workflows"][0]["binding"] == "MY_WORKFLOW"
    assert readme.startswith(f"# {name}\n")
    assert f"wflow workflows trigger {name} '" in readme
    assert project["name"][0] not in "-_"
    assert project["name"][-1] not in "-_"


def test_under_its_own_name_a_project_is_its_template_again(place: Path):
    template = get("workflows")
    made = create(template, place / "x", name=template.own_name)
    assert CARD not in made.files
    for file in made.files:
        assert (made.path / file).read_bytes() == (template.path / file).read_bytes()


def test_a_folder_gives_its_project_its_name(monkeypatch: pytest.MonkeyPatch, place: Path):
    monkeypatch.chdir(place)
    assert name_of(Path("path/to/x")) == "x"
    assert name_of(Path("x/")) == "x"
    assert name_of(Path()) == "place"
    assert name_of(Path("a/..")) == "place"
    assert name_of(Path("/")) == ""

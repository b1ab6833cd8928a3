from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import wflow
from wflow.errors import UsageError
from wflow.scaffold.create import create, valid_name
from wflow.scaffold.templates import CARD, Template, available, get

TEMPLATES = pytest.mark.parametrize("template", available(), ids=lambda template: template.name)


def test_the_template_of_the_founding_story_is_there():
    assert "workflows" in [template.name for template in available()]


def test_templates_come_in_alphabetical_order():
    names = [template.name for template in available()]
    assert names == sorted(names)


@TEMPLATES
def test_a_template_is_got_by_its_name(template: Template):
    assert get(template.name) == template


@pytest.mark.parametrize("typo", ["workflow", "Workflows", "worklfows"])
def test_a_misspelt_template_is_refused_with_the_right_name(typo: str):
    with pytest.raises(UsageError, match=f"`{typo}`") as refused:
        get(typo)
    assert "did you mean `workflows`?" in str(refused.value.hint)


@pytest.mark.parametrize("name", ["", "..", ".", "../templates/workflows", "workflows/", "/etc"])
def test_a_name_that_is_a_path_is_no_template(name: str):
    with pytest.raises(UsageError) as refused:
        get(name)
    assert "`workflows`" in str(refused.value.hint)


@TEMPLATES
def test_a_template_says_what_it_is_in_one_line(template: Template):
    assert 20 <= len(template.summary) <= 90
    assert "\n" not in template.summary


@TEMPLATES
def test_a_template_bears_its_own_name_in_each_file_that_is_renamed(template: Template):
    valid_name(template.own_name)
    for file in template.named_in:
        assert template.own_name in (template.path / file).read_text(encoding="utf-8")


@TEMPLATES
def test_the_name_stands_in_no_file_that_is_not_renamed(template: Template, tmp_path: Path):
    made = create(template, tmp_path / "shop", name="shop")
    for file in made.files:
        assert template.own_name not in (made.path / file).read_text(encoding="utf-8")


@TEMPLATES
def test_a_template_has_no_placeholders(template: Template, tmp_path: Path):
    made = create(template, tmp_path / "shop", name="shop")
    for file in made.files:
        assert not re.search(r"\{\{|\{%|<%", (made.path / file).read_text(encoding="utf-8"))


@TEMPLATES
def test_the_python_files_of_a_template_compile(template: Template, tmp_path: Path):
    made = create(template, tmp_path / "shop", name="shop")
    sources = [file for file in made.files if file.endswith(".py")]
    assert any(file.startswith("src/") for file in sources)
    assert any(file.startswith("tests/") for file in sources)
    for file in sources:
        compile((made.path / file).read_bytes(), file, "exec", dont_inherit=True)


@TEMPLATES
def test_what_a_template_imports_from_wflow_is_there(template: Template):
    for source in template.path.glob("*/*.py"):
        for line in re.findall(r"^from wflow import (.+)$", source.read_text(encoding="utf-8"), re.MULTILINE):
            assert set(line.split(", ")) <= set(wflow.__all__)


@TEMPLATES
def test_a_template_keeps_state_and_secrets_out_of_git(template: Template):
    ignored = (template.path / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {".wflow/", ".env", ".env.*", ".dev.vars", ".dev.vars.*", "__pycache__/"} <= set(ignored)


def test_the_workflows_template_declares_what_its_code_uses():
    template = get("workflows")
    config = tomllib.loads((template.path / "wflow.toml").read_text(encoding="utf-8"))
    code = "".join(
        file.read_text(encoding="utf-8") for file in (template.path / "src").iterdir() if file.is_file()
    )

    [workflow] = config["workflows"]
    [kv] = config["kv_namespaces"]
    declared = {workflow["binding"], kv["binding"], *config["vars"]}
    assert set(re.findall(r"self\.env\.([A-Z_]+)", code)) == declared
    assert workflow["concurrency"]["limit"] > 0
    assert f"class {workflow['class_name']}(WorkflowEntrypoint):" in code
    assert (template.path / config["main"]).is_file()


def test_the_workflows_template_has_the_three_steps_of_the_founding_story():
    code = (get("workflows").path / "src/workflow.py").read_text(encoding="utf-8")
    assert re.findall(r'ctx\.do\("(\w+)"', code) == ["fetchData", "process", "store"]


def test_an_installed_package_finds_the_templates_inside_itself(tmp_path: Path):
    package = installed(tmp_path)
    shutil.copytree(get("workflows").path, package / "templates/workflows")
    (package / "templates/__pycache__").mkdir()
    (package.parent / "templates/foreign").mkdir(parents=True)

    assert ask(package, "print(*(t.path for t in available()))") == str(package / "templates/workflows")


def test_an_installation_without_templates_says_so(tmp_path: Path):
    package = installed(tmp_path)
    said = ask(
        package,
        "try: available()\nexcept WflowError as error: print(error.message, '|', error.hint)",
    )
    assert said == "this installation has no templates | install wflow-toolkit again"


def test_scaffolding_loads_nothing_heavy(tmp_path: Path):
    package = installed(tmp_path)
    loaded = ask(package, "import wflow.scaffold.create\nprint(*sys.modules)").split()
    assert "wflow.scaffold.create" in loaded
    assert not {"asyncio", "difflib", "httpx", "shutil", "socket", "sqlite3", "tomlkit", "typer"} & set(
        loaded
    )


@pytest.mark.parametrize(
    "card",
    [
        "",
        'summary = "x"\nown_name = "y"\n',
        'summary = 1\nown_name = "y"\nnamed_in = []\n',
        'summary = "x"\nown_name = "y"\nnamed_in = [1]\n',
        'summary = "x"\nown_name = "y"\nnamed_in = []\nrename = true\n',
    ],
)
def test_a_card_that_is_wrong_is_named_with_what_it_needs(tmp_path: Path, card: str):
    package = installed(tmp_path)
    folder = package / "templates/broken"
    folder.mkdir(parents=True)
    (folder / CARD).write_text(card)
    said = ask(package, "try: available()\nexcept WflowError as error: print(error.message, '|', error.hint)")
    assert str(folder / CARD) in said
    assert "`own_name`" in said


def installed(tmp_path: Path) -> Path:
    """Lay out what a wheel of this room would install, with no templates in it yet."""
    ours = Path(wflow.__file__).parent
    package = tmp_path / "site/wflow"
    shutil.copytree(ours / "scaffold", package / "scaffold", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ours / "errors.py", package)
    (package / "__init__.py").touch()
    return package


def ask(package: Path, code: str) -> str:
    head = (
        f"import sys; sys.path.insert(0, {str(package.parent)!r})\n"
        "from wflow.errors import WflowError\n"
        "from wflow.scaffold.templates import available\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", head + code], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()

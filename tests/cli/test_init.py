from __future__ import annotations

from pathlib import Path


def test_a_project_is_made_and_the_next_steps_are_told(wflow):
    ran = wflow("init", "shop", "--template", "workflows")
    assert ran.code == 0
    assert ran.out.startswith("Created shop from the template `workflows`: ")
    assert "  cd shop\n  wflow dev\n" in ran.err
    assert 'name = "shop"' in Path("shop/wflow.toml").read_text(encoding="utf-8")


def test_without_a_terminal_the_default_name_is_taken_and_said(process):
    ran = process("init", "--template", "workflows")
    assert ran.code == 0
    assert "taking `my-workflow`" in ran.err
    assert Path("my-workflow/wflow.toml").is_file()


def test_yes_asks_nothing(wflow):
    assert wflow("init", "-y").code == 0
    assert Path("my-workflow/wflow.toml").is_file()


def test_the_folder_one_stands_in_can_become_the_project(wflow):
    ran = wflow("init", ".", "-y")
    assert ran.code == 0
    assert "cd " not in ran.err
    assert 'name = "work"' in Path("wflow.toml").read_text(encoding="utf-8")


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(wflow):
    Path("shop").mkdir()
    Path("shop/mine.txt").write_text("mine", encoding="utf-8")
    ran = wflow("init", "shop", "-y")
    assert (ran.code, ran.out) == (1, "")
    assert "error: `shop` is not empty" in ran.err
    assert [entry.name for entry in Path("shop").iterdir()] == ["mine.txt"]


def test_an_unknown_template_is_refused_with_the_ones_there_are(wflow):
    ran = wflow("init", "shop", "--template", "workflow")
    assert ran.code == 1
    assert "did you mean `workflows`?" in ran.err
    assert not Path("shop").exists()


def test_the_templates_are_listed_on_stdout(wflow):
    ran = wflow("init", "--list-templates")
    assert (ran.code, ran.err) == (0, "")
    assert "workflows" in ran.out
    assert list(Path.cwd().iterdir()) == []

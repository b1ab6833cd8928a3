from __future__ import annotations

import sys
from pathlib import Path

import pytest

from wflow.runner import own_environment

VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(autouse=True)
def nothing_active(monkeypatch):
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)


def environment(folder, version=VERSION):
    packages = folder / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return packages


def test_a_project_without_one_has_none(tmp_path):
    (tmp_path / ".venv").mkdir()
    assert own_environment.packages(tmp_path) == (None, None)


@pytest.mark.parametrize("name", [".venv", "venv"])
def test_the_projects_own_is_found(tmp_path, name):
    assert own_environment.packages(tmp_path) == (None, None)
    assert own_environment.packages(tmp_path) == (None, None)
    found = environment(tmp_path / name)
    assert own_environment.packages(tmp_path) == (found, None)


def test_the_active_one_is_used_where_the_project_has_none(tmp_path, monkeypatch):
    found = environment(tmp_path / "elsewhere")
    monkeypatch.setenv("VIRTUAL_ENV", str(tmp_path / "elsewhere"))
    (tmp_path / "project").mkdir()
    assert own_environment.packages(tmp_path / "project") == (found, None)


def test_that_in_which_wflow_runs_needs_no_mention(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRTUAL_ENV", sys.prefix)
    assert own_environment.packages(tmp_path) == (None, None)
    (tmp_path / ".venv").symlink_to(Path(sys.prefix))
    assert own_environment.packages(tmp_path) == (None, None)


def test_one_of_another_python_is_not_used_and_told(tmp_path):
    environment(tmp_path / ".venv", "python3.8")
    found, told = own_environment.packages(tmp_path)
    assert found is None
    assert told == f".venv is an environment of python3.8, and wflow runs on {VERSION}: not used"

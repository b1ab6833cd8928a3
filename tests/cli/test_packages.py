from __future__ import annotations

from pathlib import Path

import pytest

PLACE = "/accounts/local/workers/environments"
VERSIONS = "/accounts/local/workers/scripts/shop/versions"
VERSION = {"id": "0f2e", "number": 1, "script_name": "shop", "digest": "sha256:0", "workflows": ["shop"]}
DEPLOYMENTS: dict[str, list[str]] = {"deployments": []}


@pytest.fixture(autouse=True)
def project(wflow, logged_in, monkeypatch):
    wflow("init", "shop", "-y")
    monkeypatch.chdir("shop")
    config = Path("wflow.toml")
    config.write_text(config.read_text().replace('binding = "KV"', 'binding = "KV"\nid = "shop-kv"'))
    Path("requirements.txt").unlink(missing_ok=True)
    logged_in.gives("POST", VERSIONS, VERSION)
    logged_in.gives("GET", "/accounts/local/workers/scripts/shop/deployments", DEPLOYMENTS)
    return Path.cwd()


def asked(runner):
    """Give what was asked of packages and versions."""
    return [one for one in runner.asked if one.path.startswith(PLACE) or one.path == VERSIONS]


def state(name, *lines, **more):
    return {"id": "e1", "state": name, "lines": list(lines), "next": len(lines), **more}


def test_a_version_waits_for_its_packages_and_one_sees_how_it_goes(wflow, logged_in):
    logged_in.gives("POST", PLACE, state("installing", "Collecting orjson"))
    logged_in.gives("GET", f"{PLACE}/e1", state("ready", "Successfully installed orjson"))
    ran = wflow("versions", "upload")
    assert ran.code == 0, ran.err
    told = ["Installing packages on the runner:", "  Collecting orjson", "  Successfully installed orjson"]
    assert ran.err.splitlines()[:3] == told
    began, looked, uploaded = asked(logged_in)[:3]
    assert began.json == {"requirements": ["httpx"]}
    assert looked.query == {"after": "1"}
    assert uploaded.path == VERSIONS


def test_what_cannot_be_installed_is_not_uploaded(wflow, logged_in):
    logged_in.gives("POST", PLACE, state("failed", error="the packages of the project cannot be installed"))
    ran = wflow("versions", "upload")
    assert (ran.code, ran.out.count("Uploaded")) == (1, 0)
    assert "error: the packages of the project cannot be installed" in ran.err
    assert "--vendor" in ran.err
    assert [one.path for one in asked(logged_in)] == [PLACE]


def test_a_project_that_needs_nothing_asks_for_nothing(wflow, logged_in, project):
    (project / "pyproject.toml").unlink()
    assert wflow("versions", "upload", "--json").code == 0
    assert asked(logged_in)[0].path == VERSIONS


def test_what_is_no_requirement_is_told_before_anything_is_sent(wflow, logged_in, project):
    (project / "pyproject.toml").unlink()
    (project / "requirements.txt").write_text("-e .\n")
    ran = wflow("versions", "upload")
    assert ran.code == 1
    assert "requirements.txt:1: the option '-e' means nothing to a runner" in ran.err
    assert asked(logged_in) == []


def test_wheels_that_cannot_be_had_are_told_with_what_pip_says(wflow, logged_in, project, monkeypatch):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    (project / "pyproject.toml").unlink()
    (project / "requirements.txt").write_text("nowhere_lib\n")
    ran = wflow("versions", "upload", "--vendor")
    assert ran.code == 1
    assert "cannot be downloaded" in ran.err
    assert "nowhere_lib" in ran.err
    assert asked(logged_in) == []

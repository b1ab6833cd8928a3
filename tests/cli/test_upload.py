from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.shop import IDS, PLACE, deployment, gives, version

CONFIG = """
name = "shop"
main = "worker.py"
[vars]
GREETING = "hello"
"""


@pytest.fixture(autouse=True)
def project(home):
    Path("wflow.toml").write_text(CONFIG, encoding="utf-8")
    Path("worker.py").write_text("class Default:\n    pass\n", encoding="utf-8")


def test_the_project_becomes_a_version_that_is_not_live(wflow, logged_in):
    logged_in.gives("POST", f"{PLACE}/versions", version(2))
    gives(logged_in, [version(2), version(1)], deployment((1, 100)))
    ran = wflow("versions", "upload", "--message", "retry", "--tag", "v2")
    assert ran.code == 0, ran.err
    lines = ran.out.splitlines()
    assert lines[0].startswith("Total Upload: ")
    assert 'env.GREETING ("hello")  Environment Variable' in lines
    assert lines[-2].startswith("Uploaded shop (")
    assert lines[-1] == f"Worker Version ID: {IDS[2]}"
    assert "It is not live; `wflow versions deploy 2@100` makes it so" in ran.err
    assert "so, `wflow versions deploy 2@10 11aa0000` for a tenth." in ran.err
    asked, *_ = logged_in.asked
    assert b'"message":"retry","tag":"v2"' in asked.body


def test_where_nothing_or_more_than_one_is_live_it_is_not_said_how_to_share(wflow, logged_in):
    logged_in.gives("POST", f"{PLACE}/versions", version(3))
    for live in ([], [deployment((2, 10), (1, 90))]):
        gives(logged_in, [version(3), version(2), version(1)], *live)
        assert "`wflow versions deploy 3@100` makes it so.\n" in wflow("versions", "upload").err


def test_for_programs_the_answer_is_the_apis_own(wflow, logged_in):
    logged_in.gives("POST", f"{PLACE}/versions", version(2))
    assert json.loads(wflow("versions", "upload", "--json").out) == version(2)


def test_a_dry_run_needs_no_runner(wflow):
    ran = wflow("versions", "upload", "--dry-run")
    assert ran.code == 0, ran.err
    assert ran.out.endswith("--dry-run: exiting now.\n")
    told = json.loads(wflow("versions", "upload", "--dry-run", "--json").out)
    assert (told["dry_run"], told["name"]) == (True, "shop")


def test_code_that_does_not_import_shows_the_users_traceback(wflow, logged_in):
    logged_in.refuses(
        "POST", f"{PLACE}/versions", 400, code=10021, message="no module named x", trace="Traceback: theirs"
    )
    ran = wflow("versions", "upload")
    assert ran.code == 1
    assert "Traceback: theirs" in ran.err

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

SCRIPT = "/accounts/local/workers/scripts/shop"
SCRIPTS = "/accounts/local/workers/scripts"
VERSION = {"id": "0f2e", "number": 1, "script_name": "shop", "digest": "sha256:0", "workflows": ["shop"]}


@pytest.fixture(autouse=True)
def project(wflow, monkeypatch):
    wflow("init", "shop", "-y")
    monkeypatch.chdir("shop")
    return Path.cwd()


def test_a_deploy_tells_what_was_sent_and_where_it_answers(wflow, logged_in):
    logged_in.gives("PUT", SCRIPT, VERSION)
    logged_in.gives("GET", SCRIPTS, [{"id": "shop"}])
    ran = wflow("deploy", "--message", "first")
    assert (ran.code, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0].startswith("Total Upload: ")
    assert " KiB / gzip: " in lines[0]
    assert lines[1] == "Your Worker has access to the following bindings:"
    assert [line.split("  ")[0] for line in lines[2:6]] == [
        "Binding",
        "env.MY_WORKFLOW (MyWorkflow)",
        "env.KV (shop-kv)",
        "env.FETCH_TIMEOUT_SECONDS (10)",
    ]
    assert lines[-5].startswith("Uploaded shop (")
    assert lines[-4:] == [
        "Deployed shop triggers",
        f"  {logged_in.url}",
        "  workflow: shop",
        "Current Version ID: 0f2e",
    ]
    sent = logged_in.asked[0]
    assert (sent.method, sent.token) == ("PUT", "s3cret")
    assert b'"message":"first"' in sent.body


def test_among_several_workers_one_is_reached_by_its_name(wflow, logged_in):
    logged_in.gives("PUT", SCRIPT, VERSION)
    logged_in.gives("GET", SCRIPTS, [{"id": "shop"}, {"id": "other"}])
    assert f"\n  http://shop.localhost:{logged_in.port}\n" in wflow("deploy").out


def test_a_deploy_for_programs_is_the_apis_answer(wflow, logged_in):
    logged_in.gives("PUT", SCRIPT, VERSION)
    logged_in.gives("GET", SCRIPTS, [])
    assert json.loads(wflow("deploy", "--json").out) == VERSION


def test_a_dry_run_touches_no_network_and_needs_no_login(wflow):
    ran = wflow("deploy", "--dry-run")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Total Upload: ")
    assert ran.out.endswith("\n--dry-run: exiting now.\n")


def test_a_dry_run_for_programs_says_what_would_be_sent(wflow):
    told = json.loads(wflow("deploy", "--dry-run", "--json").out)
    assert told["dry_run"] is True
    assert told["name"] == "shop"
    assert told["digest"].startswith("sha256:")
    assert sum(told["files"].values()) == told["size_bytes"]


def test_the_bundle_and_its_manifest_can_be_written_and_do_not_change_the_next_bundle(wflow, project):
    first = json.loads(wflow("deploy", "--dry-run", "--json", "--outdir", "dist").out)
    again = json.loads(wflow("deploy", "--dry-run", "--json", "--outdir", "dist").out)
    assert first == again
    assert gzip.decompress((project / "dist" / "bundle.tar.gz").read_bytes())
    manifest = json.loads((project / "dist" / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["files"].keys() == first["files"].keys()


def test_a_place_that_cannot_be_written_to_is_the_persons_to_mend(wflow, project):
    (project / "dist").write_text("in the way", encoding="utf-8")
    ran = wflow("deploy", "--dry-run", "--outdir", "dist")
    assert ran.code == 1
    assert "cannot write to `dist`" in ran.err


def test_what_the_check_finds_is_a_warning_and_no_obstacle(wflow, project):
    source = project / "src" / "workflow.py"
    code = source.read_text(encoding="utf-8")
    first = '        step1 = await ctx.do("fetchData"'
    source.write_text(code.replace(first, f"        import time; time.time()\n{first}"), encoding="utf-8")
    ran = wflow("deploy", "--dry-run")
    assert ran.code == 0
    assert "warning: src/workflow.py:" in ran.err
    assert " WF101 " in ran.err


def test_code_that_does_not_import_on_the_runner_is_shown_with_its_traceback(wflow, logged_in):
    trace = 'Traceback (most recent call last):\n  File "src/worker.py", line 1\nNameError: x\n'
    logged_in.refuses("PUT", SCRIPT, 400, code=10021, message="src/worker.py does not import", trace=trace)
    ran = wflow("deploy")
    assert ran.code == 1
    assert f"error: src/worker.py does not import\n\n{trace}" in ran.err
    assert "Current Version" not in ran.out


def test_without_a_login_nothing_is_deployed(wflow):
    ran = wflow("deploy")
    assert ran.code == 1
    assert "you are not logged in" in ran.err

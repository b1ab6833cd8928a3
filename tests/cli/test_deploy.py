from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.cli import shop

SCRIPT = "/accounts/local/workers/scripts/shop"
SCRIPTS = "/accounts/local/workers/scripts"
VERSIONS = f"{SCRIPT}/versions"
REHEARSALS = f"{VERSIONS}/0f2e/rehearsals"
DEPLOYMENTS = f"{SCRIPT}/deployments"
VERSION = {"id": "0f2e", "number": 1, "script_name": "shop", "digest": "sha256:0", "workflows": ["shop"]}


@pytest.fixture(autouse=True)
def project(wflow, monkeypatch):
    wflow("init", "shop", "-y")
    monkeypatch.chdir("shop")
    config = Path("wflow.toml")
    config.write_text(config.read_text().replace('binding = "KV"', 'binding = "KV"\nid = "shop-kv"'))
    return Path.cwd()


ENVIRONMENTS = "/accounts/local/workers/environments"
READY: dict[str, object] = {"id": None, "state": "ready", "lines": [], "next": 0}


@pytest.fixture(autouse=True)
def nothing_to_install(request):
    """Have the runner need no package of the template: it has them itself."""
    if "logged_in" in request.fixturenames:
        request.getfixturevalue("logged_in").gives("POST", ENVIRONMENTS, READY)


def asked(runner):
    return [one for one in runner.asked if one.path != ENVIRONMENTS]


def test_a_deploy_tells_what_was_sent_and_where_it_answers(wflow, logged_in):
    gives(logged_in)
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
    _, uploaded, _, released, _ = asked(logged_in)
    assert (uploaded.method, uploaded.path, uploaded.token) == ("POST", VERSIONS, "s3cret")
    assert b'"message":"first"' in uploaded.body
    assert released.path == DEPLOYMENTS
    assert released.json["versions"] == [{"version_id": "0f2e", "percentage": 100}]


def test_among_several_workers_one_is_reached_by_its_name(wflow, logged_in):
    gives(logged_in)
    logged_in.gives("GET", SCRIPTS, [{"id": "shop"}, {"id": "other"}])
    assert f"\n  http://shop.localhost:{logged_in.port}\n" in wflow("deploy").out


def test_a_deploy_for_programs_is_the_apis_answer(wflow, logged_in):
    gives(logged_in)
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
    logged_in.refuses("POST", VERSIONS, 400, code=10021, message="src/worker.py does not import", trace=trace)
    ran = wflow("deploy")
    assert ran.code == 1
    assert f"error: src/worker.py does not import\n\n{trace}" in ran.err
    assert "Current Version" not in ran.out


def test_unfinished_instances_that_fit_are_told_in_a_line_and_stay_where_they_are(wflow, logged_in):
    gives(logged_in, FITS, FITS, total=4)
    ran = wflow("deploy")
    assert ran.code == 0
    assert "Rehearsal: 2 of 4 unfinished instances tried, 2 fit this version\n" in ran.out
    assert "What about the unfinished instances? pin, as there is no terminal to ask on." in ran.err
    assert "Current Version ID: 0f2e" in ran.out
    assert "Migrated" not in ran.out


def test_those_that_do_not_fit_are_shown_the_first_in_full_and_the_others_counted(wflow, logged_in):
    misfits = [{**MISFIT, "id": f"order-{number}"} for number in range(6)]
    for number, one in enumerate(misfits[1:]):
        one["error"] = {"name": "NonDeterminismError", "message": f"they differ in {number // 2}"}
    gives(logged_in, *misfits, {**misfits[5], "id": "order-6"}, FITS)
    ran = wflow("deploy", "--instances", "pin")
    assert ran.code == 0
    shown = ran.out[ran.out.index("Rehearsal: ") :].splitlines()
    assert shown[:5] == [
        "Rehearsal: 8 of 8 unfinished instances tried, 1 fit this version",
        "  orders order-0: they differ",
        "    journal: step 'charge-1' (do), src/worker.py:3 here",
        "    code:    step 'bill-1' (do), src/worker.py:4 there",
        "    guess:   renamed: it is called so now",
    ]
    assert [shown[5], shown[9]] == [
        "  orders order-1 and 1 more: they differ in 0",
        "  orders order-3 and 1 more: they differ in 1",
    ]
    assert shown[13] == "  and 2 more instances that do not fit"
    assert "give it back" not in ran.out
    assert "What about" not in ran.err


def test_what_stays_is_said_with_the_way_to_move_it(wflow, logged_in):
    gives(logged_in, FITS)
    assert "`wflow workflows instances migrate` moves it" in wflow("deploy", "--instances", "pin").err
    gives(logged_in, MISFIT)
    assert "instances migrate" not in wflow("deploy", "--instances", "pin").err


def test_a_tag_goes_along(wflow, logged_in):
    gives(logged_in)
    assert wflow("deploy", "-m", "first", "--tag", "v1").code == 0
    (uploaded,) = [asked for asked in asked(logged_in) if asked.path == VERSIONS]
    assert b'"message":"first","tag":"v1"' in uploaded.body


def test_a_deploy_that_ends_a_split_says_so(wflow, logged_in):
    shop.gives(
        logged_in, [shop.version(2), shop.version(1)], shop.deployment((2, 10), (1, 90), trigger="deployment")
    )
    gives(logged_in)
    ran = wflow("deploy")
    assert ran.code == 0
    assert "Your current deployment has 2 versions:\n  (10%) 22bb0000" in ran.err
    assert "warning: two versions share the traffic; this deploy ends that" in ran.err
    assert "Deploy to 100% of the traffic? Yes, as there is no terminal to ask on." in ran.err
    assert "warning: two versions share" in wflow("deploy", "--json").err
    shop.gives(logged_in, [shop.version(1)], shop.deployment((1, 100)))
    assert wflow("deploy").err == ""


def test_a_runner_that_fails_over_what_is_live_gets_no_upload(wflow, logged_in):
    gives(logged_in)
    logged_in.refuses("GET", DEPLOYMENTS, 503, code=10001, message="the disk is full")
    ran = wflow("deploy")
    assert ran.code == 1
    assert "the disk is full" in ran.err
    assert all(asked.path != VERSIONS for asked in asked(logged_in))


def test_stop_leaves_what_does_not_fit_uploaded_and_not_live(wflow, logged_in):
    gives(logged_in, MISFIT, FITS)
    ran = wflow("deploy", "--instances", "stop")
    assert ran.code == 1
    assert "error: version 0f2e is uploaded and not live: 1 unfinished instance would not fit" in ran.err
    assert "wflow versions deploy 0f2e@100" in ran.err
    assert "Deployed" not in ran.out
    assert all(asked.path != DEPLOYMENTS for asked in asked(logged_in) if asked.method == "POST")


def test_stop_goes_on_when_all_fit(wflow, logged_in):
    gives(logged_in, FITS)
    ran = wflow("deploy", "--instances", "stop")
    assert ran.code == 0
    assert "Current Version ID: 0f2e" in ran.out


def test_migrate_asks_for_each_one_that_is_on_another_version(wflow, logged_in):
    gives(logged_in, FITS)
    place = "/accounts/local/workflows/shop/instances"
    listed = [
        {"id": "a", "version_id": "old"},
        {"id": "b", "version_id": "0f2e"},
        {"id": "c", "version_id": "old"},
    ]
    logged_in.gives("GET", place, listed)
    logged_in.gives("POST", f"{place}/a/migrate", {**FITS, "id": "a", "migrated": True})
    logged_in.gives("POST", f"{place}/c/migrate", {**MISFIT, "id": "c", "migrated": False})
    ran = wflow("deploy", "--instances", "migrate")
    assert ran.code == 0
    assert ran.out.endswith("Current Version ID: 0f2e\nMigrated 1 instance; 1 stayed\n")
    assert "warning: shop c: they differ; it stays where it is" in ran.err
    order = [asked.path for asked in asked(logged_in) if asked.method == "POST"]
    assert order == [VERSIONS, REHEARSALS, DEPLOYMENTS, f"{place}/a/migrate", f"{place}/c/migrate"]


def test_a_sample_is_a_number_or_all(wflow, logged_in):
    gives(logged_in, FITS)
    for given, limit in (("7", "7"), ("all", "all"), ("20000", "10000")):
        wflow("deploy", "--sample", given)
        assert [asked.query["limit"] for asked in asked(logged_in) if asked.path == REHEARSALS][-1] == limit
    for wrong in ("0", "some", "-1"):
        ran = wflow("deploy", f"--sample={wrong}")
        assert ran.code == 1
        assert "`--sample` is a number of instances, or `all`" in ran.err


def test_programs_get_the_verdict_beside_the_version_and_are_asked_nothing(wflow, logged_in):
    gives(logged_in, MISFIT, FITS)
    ran = wflow("deploy", "--json")
    assert (ran.code, ran.err) == (0, "")
    told = json.loads(ran.out)
    assert told.pop("rehearsals") == {"total": 2, "tried": 2, "fit": 1, "misfits": [MISFIT]}
    assert told == VERSION
    ran = wflow("deploy", "--json", "--instances", "stop")
    assert ran.code == 1
    assert json.loads(ran.out)["live"] is False


def gives(runner, *tried, total=None):
    """Have a runner that takes what is deployed, and finds these when it tries it."""
    told = {"total": len(tried) if total is None else total, "tried": list(tried), "cursor": None}
    runner.gives("POST", VERSIONS, VERSION)
    runner.gives("POST", REHEARSALS, told)
    runner.gives("POST", DEPLOYMENTS, {"id": "d1"})
    runner.gives("GET", SCRIPTS, [{"id": "shop"}])


FITS = {
    "id": "order-9",
    "workflow_name": "orders",
    "version_id": "old",
    "status": "waiting",
    "fits": True,
    "heard": 1,
    "recorded": 1,
    "error": None,
    "divergence": None,
}
MISFIT = {
    **FITS,
    "fits": False,
    "error": {"name": "NonDeterminismError", "message": "they differ\n  journal: ..."},
    "divergence": {
        "cause": "renamed",
        "guess": "it is called so now",
        "recorded": {"key": "charge-1", "kind": "do", "site": "src/worker.py:3 here"},
        "requested": {"key": "bill-1", "kind": "do", "site": "src/worker.py:4 there"},
        "ways": ["give it back its name"],
    },
}


def test_without_a_login_nothing_is_deployed(wflow):
    ran = wflow("deploy")
    assert ran.code == 1
    assert "you are not logged in" in ran.err


def test_secrets_of_a_file_are_there_before_the_version(wflow, logged_in, project):
    gives(logged_in)
    logged_in.gives("GET", SCRIPTS, [{"id": "shop"}])
    logged_in.gives("PATCH", f"{SCRIPT}/secrets", [])
    (project / ".env.live").write_text("".join(f"A{n}=x\n" for n in range(101)))
    ran = wflow("deploy", "--secrets-file", ".env.live")
    assert ran.code == 0, ran.err
    sent = [one.path for one in logged_in.asked if one.method in {"PATCH", "POST"}]
    assert sent.index(f"{SCRIPT}/secrets") < sent.index(VERSIONS)
    assert sent.count(f"{SCRIPT}/secrets") == 2
    assert "Set 100 secrets of the Worker shop.\nSet 1 secret of the Worker shop.\n" in ran.err

"""Save a file: the new code answers, no request is refused, and what was under way goes on."""

from __future__ import annotations

import os
import threading
import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import httpx

from tests.stories.processes import PLAIN, wait_for

if TYPE_CHECKING:
    from tests.stories.processes import Process, World

WORKER = "src/worker.py"


def test_no_request_is_refused_while_a_file_is_saved_again_and_again(world: World):
    versions = ["one", "two", "three", "four", "five"]
    answers: list[tuple[int, str]] = []
    done = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=session.url, **PLAIN) as client:
            while not done.is_set():
                answer = client.get("/version")
                answers.append((answer.status_code, answer.text))

    with world.dev() as session:
        askers = [threading.Thread(target=ask) for _ in range(4)]
        for asker in askers:
            asker.start()
        wait_for(lambda: answers, "the first answer")
        for before, after in pairwise(versions):
            save_version(world, before, after)
            wait_for(lambda: answers and answers[-1] == (200, after), f"{after} to answer")  # noqa: B023
        done.set()
        for asker in askers:
            asker.join()
    assert len(answers) >= 50
    assert {status for status, _ in answers} == {200}
    assert list(dict.fromkeys(text for _, text in answers)) == versions


def test_the_new_code_answers_soon_after_a_save(world: World):
    with world.dev() as session:
        took = []
        versions = ["one", "two", "three", "four"]
        for before, after in pairwise(versions):
            began = time.monotonic()
            save_version(world, before, after)
            wait_for(lambda: session.ask("GET", "/version").text == after, f"{after} to answer")  # noqa: B023
            took.append(time.monotonic() - began)
    assert sorted(took)[1] < 2, "seconds, on a busy machine; it takes a tenth of that on an idle one"


def test_a_syntax_error_is_shown_with_file_and_line_and_the_old_code_goes_on(world: World):
    with world.dev() as session:
        text = (world.project / WORKER).read_text()
        mark = len(session.err)
        world.write(WORKER, text.replace('VERSION = "one"', 'VERSION = "two'))
        session.says("The code before it keeps running.", after=mark)
        line = text.splitlines().index('VERSION = "one"') + 1
        assert f"src/worker.py:{line}: SyntaxError" in session.err[mark:]
        assert session.ask("GET", "/version").text == "one"
        world.write(WORKER, text.replace('VERSION = "one"', 'VERSION = "three"'))
        wait_for(lambda: session.ask("GET", "/version").text == "three", "the mended code")


def test_what_sleeps_and_what_waits_goes_on_in_the_new_code(world: World):
    with world.dev() as session, session.api() as api:
        api.instances.create("patient", {}, id_="waits")
        api.instances.create("patient", {"sleep": 3_000}, id_="sleeps")
        for id_ in ("waits", "sleeps"):
            wait_for(lambda: status(api, id_) == "waiting", f"{id_} to wait")  # noqa: B023
        reload(world, session)
        assert status(api, "waits") == "waiting"
        api.instances.send_event("patient", "waits", "go", {"now": True})
        assert output(api, "waits") == ["one", {"now": True}, "two"]
        assert output(api, "sleeps") == ["one", "two"]
    assert sorted(world.effects) == ["sleeps after", "sleeps before", "waits after", "waits before"]


def test_a_step_that_runs_during_a_reload_is_not_cut_and_runs_once(world: World):
    gate = world.folder / "gate"
    with world.dev() as session, session.api() as api:
        api.instances.create("gated", {"gate": str(gate)}, id_="g")
        wait_for(lambda: "g begins" in world.effects, "the step")
        reload(world, session)
        assert status(api, "g") == "running"
        gate.touch()
        assert output(api, "g") == "one", "it ended where its last step ran"
    assert world.effects == ["g begins", "g ends"]


def test_a_request_that_is_under_way_during_a_reload_is_answered_by_the_code_it_began_in(world: World):
    answers: list[httpx.Response] = []
    with world.dev() as session:
        asker = threading.Thread(target=lambda: answers.append(session.ask("GET", "/slow?seconds=1.5")))
        asker.start()
        wait_for(lambda: busy(session), "the request to be under way")
        reload(world, session)
        asker.join()
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "one")]


def test_a_file_that_user_code_writes_beside_its_sources_reloads_nothing(world: World):
    with world.dev() as session:
        for name in (
            "data.json",
            "src/data.sqlite",
            "notes.txt",
            "src/page.html",
            "tests.log",
            "src/.hidden",
        ):
            assert session.ask("GET", f"/write?name={name}&text=x").text == "written"
            assert (world.project / name).read_text() == "x", "it works in the project's folder"
        # What is saved after them is taken up, and it is the only thing that is.
        reload(world, session)
        assert session.err.count("Reloading local server...") == 1
        assert "Reloading local server... (src/worker.py)" in session.err


def test_a_library_that_is_upgraded_meanwhile_is_taken_up_by_the_next_save(world: World):
    installed = world.folder / "installed"
    installed.mkdir()
    world.environment["PYTHONPATH"] = os.pathsep.join(
        [world.environment.get("PYTHONPATH", ""), str(installed)]
    )
    library = installed / "fruit.py"
    library.write_text("NAME = 'apple'\n")
    world.edit(WORKER, 'VERSION = "one"', 'import fruit\n\nVERSION = "one"')
    world.edit(
        WORKER,
        "return Response(VERSION)\n            case",
        "return Response(VERSION + fruit.NAME)\n            case",
    )
    with world.dev() as session:
        assert session.ask("GET", "/version").text == "oneapple"
        save_version(world, "one", "two")
        wait_for(lambda: session.ask("GET", "/version").text == "twoapple", "the process that was warmed")
        library.write_text("NAME = 'pineapple'\n")
        save_version(world, "two", "three")
        wait_for(lambda: session.ask("GET", "/version").text == "threepineapple", "the upgrade")
        save_version(world, "three", "four")
        wait_for(lambda: session.ask("GET", "/version").text == "fourpineapple", "the one after it")


def test_a_secret_that_is_saved_is_taken_up_and_never_shown(world: World):
    with world.dev() as session:
        assert session.ask("GET", "/greeting").text == "hello"
        world.write(".dev.vars", "GREETING=psst\n")
        wait_for(lambda: session.ask("GET", "/greeting").text == "psst", "the secret")
        assert "Using secrets defined in .dev.vars" in session.err
        assert "psst" not in session.err
        (world.project / ".dev.vars").unlink()
        wait_for(lambda: session.ask("GET", "/greeting").text == "hello", "the greeting of the config")


def test_a_variable_of_the_command_line_wins_over_both(world: World):
    world.write(".dev.vars", "GREETING=psst\n")
    with world.dev("--var", "GREETING:moin:moin") as session:
        assert session.ask("GET", "/greeting").text == "moin:moin"


def test_a_config_that_is_broken_on_save_is_told_and_the_old_goes_on(world: World):
    with world.dev() as session:
        mark = len(session.err)
        world.edit("wflow.toml", 'class_name = "Gated"', 'clas_name = "Gated"')
        session.says("did you mean `class_name`?", after=mark)
        assert session.ask("GET", "/version").text == "one"
        mark = len(session.err)
        world.write("wflow.toml", "name = [")
        session.says("[wflow:error]", after=mark)
        assert session.ask("GET", "/version").text == "one"
        assert session.code is None


def test_a_workflow_that_is_removed_waits_until_it_is_added_again(world: World):
    config = (world.project / "wflow.toml").read_text()
    entry = '[[workflows]]\nname = "patient"\nbinding = "PATIENT"\nclass_name = "Patient"\n'
    assert entry in config
    with world.dev() as session, session.api() as api:
        api.instances.create("patient", {}, id_="p")
        wait_for(lambda: status(api, "p") == "waiting", "p to wait")
        mark = len(session.err)
        world.write("wflow.toml", config.replace(entry, ""))
        session.says("Reloaded in", after=mark)
        assert "patient" not in names(api)
        assert session.ask("GET", "/version").text == "one"
        mark = len(session.err)
        world.write("wflow.toml", config)
        session.says("Reloaded in", after=mark)
        assert "patient" in names(api)
        api.instances.send_event("patient", "p", "go", 1)
        assert output(api, "p") == ["one", 1, "one"]


def test_a_worker_that_gets_another_name_goes_on_under_it(world: World):
    with world.dev() as session, session.api() as api:
        mark = len(session.err)
        world.edit("wflow.toml", 'name = "shop"', 'name = "market"')
        session.says("Reloaded in", after=mark)
        assert {one["script_name"] for one in api.workflows.list().items} == {"market"}
        save_version(world, "one", "two")
        wait_for(lambda: session.ask("GET", "/version").text == "two", "the new code")


def test_a_session_that_begins_with_broken_code_shows_why_and_a_good_save_brings_it_up(world: World):
    with world.dev() as session, session.api() as api:
        api.instances.create("patient", {}, id_="p")
        wait_for(lambda: status(api, "p") == "waiting", "p to wait")
    text = (world.project / WORKER).read_text()
    world.write(WORKER, text.replace("import asyncio", "import asincio"))
    with world.dev() as session, session.api() as api:
        assert "ModuleNotFoundError: No module named 'asincio'" in session.err
        assert "src/worker.py" in session.err
        answer = session.ask("GET", "/version")
        assert answer.status_code == 500
        assert "asincio" in answer.text
        api.instances.send_event("patient", "p", "go", 1)
        world.write(WORKER, text)
        wait_for(lambda: session.ask("GET", "/version").text == "one", "the mended code")
        began = time.monotonic()
        assert output(api, "p") == ["one", 1, "one"]
        assert time.monotonic() - began < 3, "what had to wait goes on at once"


def test_code_that_ends_the_process_when_it_is_imported_leaves_the_old_code_running(world: World):
    text = (world.project / WORKER).read_text()
    with world.dev() as session:
        mark = len(session.err)
        world.write(WORKER, text + "\nimport os\n\nos._exit(3)\n")
        session.says("the process ended while it imported the code", after=mark)
        session.says("The code before it keeps running.", after=mark)
        assert session.ask("GET", "/version").text == "one"
        world.write(WORKER, text + "\nraise SystemExit(3)\n")
        session.says("SystemExit: 3")
        assert session.ask("GET", "/version").text == "one"


def test_a_save_that_no_longer_fits_what_sleeps_is_shown_and_the_next_good_one_goes_on(world: World):
    renamed = ('ctx.do("before"', 'ctx.do("preparation"')
    with world.dev() as session, session.api() as api:
        for id_ in ("waits", "other"):
            api.instances.create("patient", {}, id_=id_)
            wait_for(lambda: status(api, id_) == "waiting", f"{id_} to wait")  # noqa: B023
        mark = len(session.err)
        save_version(world, "one", "two")
        session.says("2 unfinished instances fit the code", after=mark)
        mark = len(session.err)
        world.edit(WORKER, *renamed)
        told = session.says("patient other and 1 more: ", after=mark)[mark:]
        assert "2 of 2 unfinished instances do not fit the code" in told
        session.says("guess:", after=mark)
        told = session.err[mark:]
        line = line_of(world, '"preparation"')
        assert f"code:    step 'preparation-1' (do), src/worker.py:{line} " in told
        assert f"journal: step 'before-1' (do), src/worker.py:{line} " in told
        assert status(api, "waits") == "waiting", "nothing has happened to it"
        api.instances.send_event("patient", "waits", "go", 1)
        wait_for(lambda: status(api, "waits") == "paused", "code and journal to meet")
        mark = len(session.err)
        world.edit(WORKER, *renamed[::-1])
        session.says("patient waits goes on after a fix", after=mark)
        session.says("2 unfinished instances fit the code", after=mark)
        assert output(api, "waits") == ["one", 1, "two"]
        api.instances.send_event("patient", "other", "go", 2)
        assert output(api, "other") == ["one", 2, "two"]
    assert sorted(world.effects) == ["other after", "other before", "waits after", "waits before"]


def test_a_step_that_says_what_it_was_called_formerly_fits_under_its_new_name(world: World):
    with world.dev() as session, session.api() as api:
        api.instances.create("patient", {}, id_="waits")
        wait_for(lambda: status(api, "waits") == "waiting", "it to wait")
        mark = len(session.err)
        world.edit(WORKER, 'ctx.do("before"', 'ctx.do("preparation"')
        session.says("1 unfinished instance does not fit the code", after=mark)
        mark = len(session.err)
        asked = '"preparation", self._say, event.instance_id, "before"'
        world.edit(WORKER, asked, f'{asked}, formerly="before"')
        session.says("1 unfinished instance fits the code", after=mark)
        api.instances.send_event("patient", "waits", "go", 1)
        assert output(api, "waits") == ["one", 1, "one"]
    assert world.effects == ["waits before", "waits after"]


def test_code_that_was_changed_between_two_sessions_is_tried_when_the_next_one_begins(world: World):
    with world.dev() as session, session.api() as api:
        api.instances.create("patient", {}, id_="waits")
        wait_for(lambda: status(api, "waits") == "waiting", "it to wait")
    world.edit(WORKER, 'ctx.do("before"', 'ctx.do("preparation"')
    with world.dev() as session, session.api() as api:
        session.says("1 unfinished instance does not fit the code")
        session.says("patient waits: ")
        api.instances.send_event("patient", "waits", "go", 1)
        wait_for(lambda: status(api, "waits") == "paused", "code and journal to meet")
    world.edit(WORKER, 'ctx.do("preparation"', 'ctx.do("before"')
    with world.dev() as session, session.api() as api:
        session.says("patient waits goes on after a fix")
        assert output(api, "waits") == ["one", 1, "one"]
    assert world.effects == ["waits before", "waits after"]


def save_version(world: World, before: str, after: str) -> None:
    world.edit(WORKER, f'VERSION = "{before}"', f'VERSION = "{after}"')


def reload(world: World, session: Process) -> None:
    """Save the second version of the code and wait until it is there."""
    mark = len(session.err)
    save_version(world, "one", "two")
    session.says("Reloaded in", after=mark)
    assert session.ask("GET", "/version").text == "two"


def line_of(world: World, text: str) -> int:
    """Give the number of the first line that has a text."""
    lines = (world.project / WORKER).read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if text in line)


def busy(session: Process) -> bool:
    """Tell whether a request has reached the Worker: one that came after it has been answered."""
    return session.ask("GET", "/version").status_code == 200


def names(api: Any) -> set[str]:
    return {one["name"] for one in api.workflows.list().items}


def status(api: Any, id_: str) -> str:
    workflow = "gated" if id_.startswith("g") else "patient"
    return str(api.instances.get(workflow, id_, simple=True)["status"])


def output(api: Any, id_: str) -> Any:
    workflow = "gated" if id_.startswith("g") else "patient"
    wait_for(lambda: status(api, id_) == "complete", f"the end of {id_}")
    return api.instances.get(workflow, id_, simple=True)["output"]

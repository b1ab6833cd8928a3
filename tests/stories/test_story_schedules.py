"""What fires by the clock: in a dev session by hand, by wrangler's address and by command; its instances."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.stories.processes import PLAIN, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.stories.processes import Process

AT = 1_795_402_800_000

CONFIG = """
name = "clockwork"
main = "worker.py"

[triggers]
crons = ["*/5 * * * *", "0 3 * * 2"]

[[workflows]]
name = "nightly"
binding = "NIGHTLY"
class_name = "Nightly"
schedules = "0 3 * * *"

[[kv_namespaces]]
binding = "SEEN"
"""

CODE = """
from wflow import WorkerEntrypoint, WorkflowEntrypoint, Response


class Nightly(WorkflowEntrypoint):
    async def run(self, event, ctx):
        return [event.schedule.cron, event.schedule.scheduled_time, event.instance_id]


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response(await self.env.SEEN.get("fired") or "never")

    async def scheduled(self, controller, env, ctx):
        if controller.cron == "0 3 * * 2":
            raise ValueError("no such table")
        assert controller.scheduledTime == controller.scheduled_time
        await env.SEEN.put("fired", f"{controller.type} {controller.cron} {controller.scheduled_time}")
        print("it is", controller.cron)
"""


@pytest.fixture(scope="module")
def clockwork(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = World(tmp_path_factory.mktemp("clockwork"))
    world.project.mkdir(parents=True)
    (world.project / "wflow.toml").write_text(CONFIG)
    (world.project / "worker.py").write_text(CODE)
    return world


@pytest.fixture(scope="module")
def session(clockwork: World) -> Iterator[Process]:
    with clockwork.dev() as session:
        yield session


def seen(session: Process) -> str:
    return httpx.get(session.url, **PLAIN).text


def test_wranglers_address_fires_the_handler(session: Process):
    fired = httpx.get(
        f"{session.url}/cdn-cgi/local/scheduled", params={"cron": "1 2 3 4 *", "time": AT}, **PLAIN
    )
    assert (fired.status_code, fired.text) == (200, "ok")
    assert seen(session) == f"scheduled 1 2 3 4 * {AT}"
    assert session.says("it is 1 2 3 4 *")
    assert session.says('"1 2 3 4 *" @ 2026-11-23T03:00:00Z - Ok')


def test_a_handler_that_raises_is_an_exception_with_its_traceback_in_the_log(
    clockwork: World, session: Process
):
    ran = clockwork.wflow("cron", "run", "0 3 * * 2", "--local")
    assert ran.code == 1
    assert "scheduled() failed: ValueError: no such table" in ran.err
    assert session.says("worker.py")
    assert session.says('"0 3 * * 2" @')


def test_the_command_lists_and_fires(clockwork: World, session: Process):
    listed = json.loads(clockwork.wflow("cron", "list", "--local", "--json").out)
    assert [(each["cron"], each.get("workflow")) for each in listed] == [
        ("*/5 * * * *", None),
        ("0 3 * * 2", None),
        ("0 3 * * *", "nightly"),
    ]
    ran = clockwork.wflow("cron", "run", "*/5 * * * *", "--time", "2026-11-23T03:00:00Z", "--local")
    assert ran.code == 0, ran.err
    assert seen(session) == f"scheduled */5 * * * * {AT}"
    vague = clockwork.wflow("cron", "run", "--local")
    assert (vague.code, "say which `cron` is to fire" in vague.err) == (1, True)


def test_a_firing_of_a_workflows_schedule_is_one_instance_which_knows_of_it(
    clockwork: World, session: Process
):
    fire = ("cron", "run", "--workflow", "nightly", "--time", "2026-11-23T03:00:00Z", "--local", "--json")
    made = [json.loads(clockwork.wflow(*fire).out)["id"] for _ in range(2)]
    id_ = f"0 3 * * *-{AT}"
    assert made == [id_, id_]
    where = ("workflows", "instances")
    watched = clockwork.wflow(*where, "watch", "nightly", id_, "--local")
    assert watched.code == 0, watched.err
    told = json.loads(clockwork.wflow(*where, "describe", "nightly", id_, "--local", "--json").out)
    assert told["output"] == ["0 3 * * *", AT, id_]
    assert told["trigger"] == {"source": "cron"}
    assert told["schedule"] == {"cron": "0 3 * * *", "scheduledTime": AT}
    listed = json.loads(clockwork.wflow(*where, "list", "nightly", "--local", "--json").out)
    assert [each["id"] for each in listed] == [id_]
    shown = json.loads(clockwork.wflow("workflows", "describe", "nightly", "--local", "--json").out)
    assert [each["cron"] for each in shown["schedules"]] == ["0 3 * * *"]
    assert session.code is None

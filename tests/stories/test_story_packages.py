"""Packages of a project: a runner installs them, or gets them along; dev uses the project's own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.runner.test_environments import wheel
from tests.stories.processes import PLAIN, World, wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.stories.processes import Process

CONFIG = 'name = "packaged"\nmain = "worker.py"\n'
CODE = """
import lonely_lib
from workers import Response, WorkerEntrypoint


class Default(WorkerEntrypoint):
    async def fetch(self, request):
        return Response(lonely_lib.VERSION)
"""


@pytest.fixture
def packaged(tmp_path: Path) -> World:
    """Somebody whose code needs a package, which only lies in a folder."""
    world = World(tmp_path)
    world.project.mkdir(parents=True)
    (world.project / "wflow.toml").write_text(CONFIG)
    (world.project / "worker.py").write_text(CODE)
    (world.project / "requirements.txt").write_text("lonely_lib\n")
    wheel(tmp_path / "index", "lonely_lib", "1.0")
    return world


def finds(world: World) -> dict[str, str]:
    """Say where an installer finds something."""
    index = str(world.folder / "index")
    return {
        **{f"{tool}_NO_INDEX": "1" for tool in ("PIP", "UV")},
        **{f"{tool}_FIND_LINKS": index for tool in ("PIP", "UV")},
        "PIP_CONFIG_FILE": "/dev/null",
    }


def access(runner: Process) -> dict[str, str]:
    """Let commands speak to a runner."""
    token = wait_for(lambda: str(runner.out).strip(), "the first token")
    return {"WFLOW_API_URL": runner.url, "WFLOW_API_TOKEN": token}


def test_a_runner_installs_what_a_version_needs_and_says_how_that_goes(packaged: World):
    packaged.environment |= finds(packaged)
    with packaged.runner() as runner:
        packaged.environment |= access(runner)
        deployed = packaged.wflow("deploy")
        assert deployed.code == 0, deployed.err
        assert "Installing packages on the runner:" in deployed.err
        assert "lonely" in deployed.err
        assert httpx.get(runner.url, **PLAIN).text == "1.0"
        again = packaged.wflow("deploy")
        assert (again.code, "Installing" in again.err) == (0, False)

        packaged.write("requirements.txt", "lonely_lib>=2\n")
        refused = packaged.wflow("deploy")
        assert refused.code == 1
        assert "cannot be installed" in refused.err
        assert "lonely" in refused.err
        assert httpx.get(runner.url, **PLAIN).text == "1.0", "what is live stays"


def test_wheels_that_are_shipped_along_need_no_index_on_the_runner(packaged: World):
    nowhere = {"PIP_NO_INDEX": "1", "UV_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null"}
    packaged.environment |= nowhere
    with packaged.runner() as runner:
        packaged.environment |= finds(packaged) | access(runner)
        deployed = packaged.wflow("deploy", "--vendor")
        assert deployed.code == 0, deployed.err
        assert httpx.get(runner.url, **PLAIN).text == "1.0"


def test_a_dev_session_uses_the_projects_own_environment(packaged: World):
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = packaged.project / ".venv" / "lib" / version / "site-packages"
    packages.mkdir(parents=True)
    (packaged.project / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    (packages / "lonely_lib.py").write_text("VERSION = 'of the project'\n")
    with packaged.dev() as session:
        assert httpx.get(session.url, **PLAIN).text == "of the project"
        packaged.edit("worker.py", "lonely_lib.VERSION)", "lonely_lib.VERSION.upper())")
        wait_for(
            lambda: httpx.get(session.url, **PLAIN).text == "OF THE PROJECT" or None,
            "the code that was saved",
        )


def test_what_is_missing_is_told_with_what_to_do(packaged: World):
    with packaged.start("dev", "--port", "0").ending() as session:
        assert session.says("No module named 'lonely_lib'")
        assert session.says("name the package of 'lonely_lib' in pyproject.toml or requirements.txt")

"""What a person installs: the wheel, in an environment that has nothing else."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import venv
from pathlib import Path

import httpx
import pytest

from tests.stories.processes import wait_for

ROOT = Path(__file__).parents[2]
INSTALL_S = 240


@pytest.mark.timeout(INSTALL_S * 2)
def test_the_wheel_in_an_empty_environment_makes_and_runs_a_project(tmp_path):
    wflow = install(build(tmp_path), tmp_path / "venv")
    environment = {"PATH": os.defpath, "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"}

    made = run([wflow, "init", "my-workflow", "--template", "workflows", "-y"], tmp_path, environment)
    assert "my-workflow" in made.stdout
    errors = (tmp_path / "errors").open("w")
    session = subprocess.Popen(
        [wflow, "dev", "--port", "0"], cwd=tmp_path / "my-workflow", env=environment, stderr=errors
    )
    try:
        url = wait_for(lambda: ready(tmp_path / "errors", session), "the dev session")
        with httpx.Client(base_url=url, timeout=30) as client:
            made_id = client.post("/").json()["id"]
            wait_for(
                lambda: client.get("/", params={"id": made_id}).json()["status"] == "complete", "the end"
            )
        told = run(
            [wflow, "workflows", "instances", "list", "my-workflow", "--local"],
            tmp_path / "my-workflow",
            environment,
        )
        assert made_id in told.stdout
    finally:
        session.send_signal(signal.SIGTERM)
        assert session.wait(10) == 0
        errors.close()


def build(folder: Path) -> Path:
    """Build the wheel; hatchling is there already, nothing is fetched."""
    pip = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(ROOT),
    ]
    run(pip, folder, dict(os.environ))
    (wheel,) = folder.glob("wflow_toolkit-*.whl")
    return wheel


def install(wheel: Path, into: Path) -> str:
    """Install the wheel and what it needs, as pinned, and nothing that is for tests; not even a pip."""
    venv.create(into, with_pip=False)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(into / "bin" / "python"),
        "install",
        "-q",
        "--no-compile",  # of all that is installed, a session imports little
        "-c",
        str(ROOT / "constraints.txt"),
        str(wheel),
    ]
    run(pip, into, dict(os.environ))
    return str(into / "bin" / "wflow")


def run(command: list[str], cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=INSTALL_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def ready(errors: Path, session: subprocess.Popen[bytes]) -> str | None:
    assert session.poll() is None, errors.read_text()
    found = re.search(r"Ready on (http://\S+)", errors.read_text())
    return found[1] if found else None

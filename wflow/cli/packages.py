"""The packages that a project needs: shipped along as wheels, or installed by the runner as one watches."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from wflow.cli import output
from wflow.errors import RunnerError, UsageError

if TYPE_CHECKING:
    from wflow.bundle.manifest import Manifest
    from wflow.bundle.pack import Packed
    from wflow.client.answers import Shown
    from wflow.client.api import Api
    from wflow.config.model import Project

LOOK_S: Final = 0.3
"""How often the runner is asked how its installation goes on."""

Vendor = Annotated[
    bool,
    typer.Option(
        "--vendor",
        help="Ship the packages that the project needs along, as wheels: the runner needs no index.",
    ),
]


def packed(project: Project, *, vendor: bool) -> Packed:
    """Pack a project, if wanted with the wheels of what it needs; raises BundleError, UsageError."""
    from wflow.bundle import pack, requirements

    if not vendor:
        return pack.pack(project)
    with tempfile.TemporaryDirectory() as folder:
        return pack.pack(project, _wheels(requirements.find(project.root), Path(folder)))


def install(api: Api, manifest: Manifest, *, quiet: bool) -> None:
    """Have the runner install what a version needs before its upload; raises RunnerError if that fails."""
    from wflow.bundle import pack

    if not manifest.requirements or pack.wheels(manifest):
        return
    told = api.scripts.install(manifest.requirements)
    if told["state"] == "installing" and not quiet:
        output.say("Installing packages on the runner:")
    while told["state"] == "installing":
        _show(told, quiet=quiet)
        time.sleep(LOOK_S)
        told = api.scripts.installing(told["id"], after=told["next"])
        if told["state"] == "ready":
            _show(told, quiet=quiet)
    if told["state"] == "failed":
        raise RunnerError(
            told["error"], hint="`--vendor` ships the packages along, for a runner without an index"
        )


def _show(told: Shown, *, quiet: bool) -> None:
    for line in () if quiet else told["lines"]:
        output.say(f"  {line}")


def _wheels(wanted: tuple[str, ...], folder: Path) -> list[Path]:
    """Download wheels for this Python and this system; raises UsageError with what pip has said."""
    if not wanted:
        return []
    listed = folder / "requirements.txt"
    listed.write_text("".join(f"{line}\n" for line in wanted), encoding="utf-8")
    wheels = folder / "wheels"
    options = ["download", "--only-binary", ":all:", "--disable-pip-version-check", "--no-input", "--quiet"]
    done = subprocess.run(
        [*_pip(), *options, "--dest", str(wheels), "-r", str(listed)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise UsageError(
            f"the wheels of the project's packages cannot be downloaded:\n{said}",
            hint="each must have a wheel for this Python and this system, which are those of the runner",
        )
    return sorted(wheels.glob("*.whl"))


def _pip() -> list[str]:
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    if (uv := shutil.which("uv")) is not None:
        return [uv, "tool", "run", "pip", f"--python={sys.executable}"]
    raise UsageError("`--vendor` needs pip or uv, and there is neither", hint="install uv")

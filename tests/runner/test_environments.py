from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import shutil
import sys
import threading
import zipfile
from typing import TYPE_CHECKING, Any

import pytest

from tests.runner.stage import until
from tests.stories.processes import lives
from wflow.errors import LoadError
from wflow.runner import environments
from wflow.runner.environments import Environments, Wheels, packages

if TYPE_CHECKING:
    from pathlib import Path


NOW = 1_795_348_800_000


def wheel(folder: Path, name: str, version: str = "1.0", *, code: str = "", requires: str = "") -> Path:
    """Make a wheel of one module."""
    folder.mkdir(parents=True, exist_ok=True)
    info = f"{name}-{version}.dist-info"
    needs = f"Requires-Dist: {requires}\n" if requires else ""
    files = {
        f"{name}.py": code or f"VERSION = {version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{file},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
        f"{len(text)}\n"
        for file, text in files.items()
    )
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    path = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """The only place that an installer finds anything in."""
    folder = tmp_path / "index"
    folder.mkdir()
    for tool in ("PIP", "UV"):
        monkeypatch.setenv(f"{tool}_NO_INDEX", "1")
        monkeypatch.setenv(f"{tool}_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    return folder


def play(story: Any) -> Any:
    return asyncio.run(story)


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir()) if folder.exists() else []


def test_what_is_needed_is_installed_once_and_kept(tmp_path, index):
    wheel(index, "lonely_lib", code="import helper_lib\n", requires="helper_lib>=2")
    wheel(index, "helper_lib", "2.5")
    folder = tmp_path / "environments"

    async def story() -> None:
        made = Environments(folder)
        first, second = await asyncio.gather(made.ready(["lonely_lib"]), made.ready(["lonely_lib"]))
        assert first == second
        there = packages(first)
        assert there is not None
        assert {"lonely_lib.py", "helper_lib.py"} <= set(names(there))
        (index / "lonely_lib-1.0-py3-none-any.whl").unlink()
        assert await made.ready(["lonely_lib"]) == first
        assert await Environments(folder).ready(["lonely_lib"]) == first, "a runner that starts anew"
        assert len(names(folder)) == 1

    play(story())


def test_other_requirements_are_another_environment(tmp_path, index):
    wheel(index, "lonely_lib", "1.0")
    wheel(index, "lonely_lib", "2.0")

    async def story() -> None:
        made = Environments(tmp_path / "environments")
        old, new = await made.ready(["lonely_lib<2"]), await made.ready(["lonely_lib>=2"])
        assert old is not None
        assert new is not None
        assert [(each / "packages" / "lonely_lib.py").read_text() for each in (old, new)] == [
            "VERSION = '1.0'\n",
            "VERSION = '2.0'\n",
        ]

    play(story())


@pytest.mark.parametrize(
    "requirements", [(), ("httpx>=0.28",), ("HTTPX", "msgspec"), ("nowhere_lib ; python_version < '3'",)]
)
def test_what_this_python_has_already_is_not_installed(tmp_path, index, requirements):
    async def story() -> None:
        assert await Environments(tmp_path / "environments").ready(requirements) is None

    play(story())
    assert names(tmp_path / "environments") == []


def test_what_cannot_be_installed_is_told_as_the_installer_tells_it(tmp_path, index):
    async def story() -> None:
        made = Environments(tmp_path / "environments")
        with pytest.raises(LoadError) as refused:
            await made.ready(["nowhere_lib"])
        assert "cannot be installed" in refused.value.message
        assert "nowhere_lib" in refused.value.message
        assert "--vendor" in str(refused.value.hint)
        assert names(tmp_path / "environments") == []
        wheel(index, "nowhere_lib")
        assert await made.ready(["nowhere_lib"]) is not None, "it is tried again"

    play(story())


def test_its_lines_can_be_followed(tmp_path, index):
    wheel(index, "lonely_lib")

    async def story() -> None:
        made = Environments(tmp_path / "environments")
        begun = made.begin(["lonely_lib"])
        assert begun is not None
        name, installation = begun
        assert made.find(name) is installation
        await installation.over.wait()
        assert installation.count == len(installation.lines) > 0
        assert any("lonely" in line for line in installation.lines)
        assert made.find("nobody") is None

    play(story())


def test_of_many_installations_the_oldest_are_forgotten_and_their_folders_stay(tmp_path, index, monkeypatch):
    monkeypatch.setattr(environments, "KNOWN", 1)
    wheel(index, "lonely_lib")
    wheel(index, "other_lib")

    async def story() -> None:
        made = Environments(tmp_path / "environments")
        first = await made.ready(["lonely_lib"])
        second = await made.ready(["other_lib"])
        assert first is not None
        assert second is not None
        assert (made.find(first.name), made.find(second.name) is not None) == (None, True)
        (index / "lonely_lib-1.0-py3-none-any.whl").unlink()
        assert await made.ready(["lonely_lib"]) == first

    play(story())


def test_wheels_that_came_along_need_no_index(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/nothing")
    monkeypatch.setenv("UV_INDEX_URL", "http://127.0.0.1:9/nothing")
    root = tmp_path / "code"
    wheel(root / "wflow_wheels", "lonely_lib")

    async def story() -> None:
        made = Environments(tmp_path / "environments")
        there = packages(await made.ready(["lonely_lib"], Wheels(root / "wflow_wheels", ("one",))))
        assert there is not None
        assert "lonely_lib.py" in names(there)
        wheel(root / "wflow_wheels", "lonely_lib", code="OTHER = 1\n")
        other = packages(await made.ready(["lonely_lib"], Wheels(root / "wflow_wheels", ("another",))))
        assert other is not None
        assert (other / "lonely_lib.py").read_text() == "OTHER = 1\n"

    play(story())


def test_an_installer_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "INSTALL_S", 0.2)
    monkeypatch.setattr(
        environments, "_tool", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"]
    )

    async def story() -> None:
        with pytest.raises(LoadError, match="took longer than"):
            await Environments(tmp_path / "environments").ready(["lonely_lib"])

    play(story())


def test_what_an_installer_that_hangs_has_begun_is_ended_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(environments, "INSTALL_S", 0.5)
    witness = tmp_path / "witness"
    monkeypatch.setattr(
        environments, "_tool", lambda *_: ["sh", "-c", f"sleep 60 & echo $! > {witness}; wait"]
    )

    async def story() -> None:
        with pytest.raises(LoadError, match="took longer than"):
            await Environments(tmp_path / "environments").ready(["lonely_lib"])
        child = int(witness.read_text())
        await until(lambda: not lives(child), "the end of what it has begun")

    play(story())


def test_without_an_installer_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(environments, "find_spec", lambda _: None)

    async def story() -> None:
        with pytest.raises(LoadError, match="neither uv nor pip"):
            await Environments(tmp_path / "environments").ready(["lonely_lib"])

    play(story())


def test_an_installer_learns_nothing_of_the_runner(tmp_path, monkeypatch):
    monkeypatch.setenv("WFLOW_API_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/ours")
    told = environments._environment()
    assert "secret" not in told.values()
    assert told["PIP_INDEX_URL"] == "http://127.0.0.1:9/ours"


def test_what_was_long_unused_goes_and_so_does_what_was_cut_off(tmp_path, index):
    wheel(index, "lonely_lib")
    wheel(index, "other_lib")
    folder = tmp_path / "environments"

    async def story() -> None:
        made = Environments(folder)
        kept, gone = await made.ready(["lonely_lib"]), await made.ready(["other_lib"])
        assert kept is not None
        assert gone is not None
        (folder / f"{gone.name}.0011aabb").mkdir()
        os.utime(gone, (0, 0))
        await made.sweep(NOW)
        assert len(names(folder)) == 2, "what this runner has used stays, however old"
        later = Environments(folder)
        await later.sweep(NOW)
        assert names(folder) == [kept.name]
        assert await later.ready(["other_lib"]) == gone, "and comes again"

    play(story())


def test_a_version_that_starts_while_its_packages_are_removed_gets_whole_ones(tmp_path, index, monkeypatch):
    wheel(index, "lonely_lib")
    folder = tmp_path / "environments"

    async def story() -> None:
        there = await Environments(folder).ready(["lonely_lib"])
        assert there is not None
        os.utime(there, (0, 0))
        remove, begun, may_go = shutil.rmtree, threading.Event(), threading.Event()

        def slowly(*args: Any, **options: Any) -> None:
            begun.set()
            may_go.wait(20)
            remove(*args, **options)

        later = Environments(folder)
        monkeypatch.setattr(shutil, "rmtree", slowly)
        sweeping = asyncio.ensure_future(later.sweep(NOW))
        await asyncio.to_thread(begun.wait, 20)
        installation = later.begin(["lonely_lib"])
        may_go.set()
        await sweeping
        assert installation is not None
        assert await later.ready(["lonely_lib"]) == there
        assert (there / "packages" / "lonely_lib.py").is_file()

    play(story())

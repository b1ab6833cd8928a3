"""The packages that versions need, each set of them in a folder of its own, installed once.

A folder is named by what is in it: the requirements, the Python, the wheels that came along. What this Python
has already, because wflow needs it too, is not installed again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import shutil
import signal
import sys
import sysconfig
from collections import deque
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement

from wflow.bundle import pack
from wflow.errors import LoadError
from wflow.runner.spawned import INHERITED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wflow.bundle.manifest import Manifest

INSTALL_S: Final = 600.0
"""How long an installation may take."""
INSTALLS: Final = 2
"""Installations at once; others wait."""
KNOWN: Final = 100
"""Installations that are remembered with what they said; of older ones only the folder is there."""
UNUSED_S: Final = 30 * 86_400.0
"""How long an environment is kept that no runner has used."""
TOLD_LINES: Final = 1_000
"""Lines of an installation that are kept for whoever deploys; older ones go."""
SHOWN_LINES: Final = 20
"""Lines of one that failed that its error shows."""
_LINE_BYTES: Final = 64 * 1024
_HINTS: Final = "is its name right, and does the runner reach an index? `wflow deploy --vendor` ships wheels"
_PASSED: Final = ("PIP_", "UV_")
_PROXIES: Final = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


@dataclass(frozen=True, slots=True)
class Wheels:
    """The wheels that a version brings along: where they lie, and what they are."""

    folder: Path
    digests: tuple[str, ...]


class Installation:
    """One under way, or over."""

    def __init__(self, folder: Path) -> None:
        """Begin with nothing said."""
        self.folder = folder
        self._lines: deque[str] = deque(maxlen=TOLD_LINES)
        self.count = 0
        self.failed: LoadError | None = None
        self.over = asyncio.Event()

    @property
    def stands(self) -> bool:
        """Whether it goes on, or has left what it was to leave."""
        return not self.over.is_set() or (self.failed is None and self.folder.is_dir())

    @property
    def first(self) -> int:
        """The number of the first line that is kept."""
        return self.count - len(self._lines)

    @property
    def lines(self) -> list[str]:
        """What the installer has said, but for what is too long ago."""
        return list(self._lines)

    def tell(self, line: str) -> None:
        """Add a line."""
        self.count += 1
        self._lines.append(line)


class Environments:
    """See the module; they lie below ``folder``, which can be made anew."""

    def __init__(self, folder: Path) -> None:
        """Keep them there."""
        self._folder = folder
        self._known: dict[str, Installation] = {}
        self._room = asyncio.Semaphore(INSTALLS)

    def begin(
        self, requirements: Sequence[str], wheels: Wheels | None = None
    ) -> tuple[str, Installation] | None:
        """Install these unless they are; give the environment's name. None when none is needed."""
        if wheels is None and all(map(_is_here, requirements)):
            return None
        name = _name(requirements, wheels)
        known = self._known.get(name)
        if known is None or not known.stands:
            known = self._known[name] = Installation(self._folder / name)
            if known.folder.is_dir():
                os.utime(known.folder)
                known.over.set()
            else:
                task = asyncio.get_running_loop().create_task(self._install(known, requirements, wheels))
                _going.add(task)
                task.add_done_callback(_going.discard)
            self._forget()
        return name, known

    def find(self, name: str) -> Installation | None:
        """Find one that was begun."""
        return self._known.get(name)

    async def ready(self, requirements: Sequence[str], wheels: Wheels | None = None) -> Path | None:
        """Give the folder with these, once they are there; raises LoadError that shows what went wrong."""
        begun = self.begin(requirements, wheels)
        if begun is None:
            return None
        _, installation = begun
        await installation.over.wait()
        if installation.failed is not None:
            raise installation.failed
        return installation.folder

    async def sweep(self, now: int) -> None:
        """Remove those that were not used for long, and what an installation that was cut off has left.

        Whoever needs one that is gone installs it again.
        """
        oldest = now / 1000 - UNUSED_S
        for folder in list(self._folder.iterdir()) if self._folder.is_dir() else []:
            name, is_draft, _ = folder.name.partition(".")
            known = self._known.get(name)
            if is_draft:
                goes = known is None or known.over.is_set()
            else:
                goes = known is None and folder.stat().st_mtime < oldest
            if goes:
                # A version that starts meanwhile must not find half of it.
                leaving = folder if is_draft else folder.rename(_draft(folder))
                await asyncio.to_thread(shutil.rmtree, leaving, ignore_errors=True)

    def _forget(self) -> None:
        """Let go of the oldest that are over; whoever needs one finds its folder."""
        over = [name for name, one in self._known.items() if one.over.is_set()]
        for name in over[: max(0, len(self._known) - KNOWN)]:
            del self._known[name]

    async def _install(self, to: Installation, requirements: Sequence[str], wheels: Wheels | None) -> None:
        # Beside its place, so that it is there as a whole or not at all.
        draft = _draft(to.folder)
        try:
            async with self._room:
                await self._run(to, draft, requirements, wheels)
            await asyncio.to_thread(_settle, draft, to.folder)
        except LoadError as failed:
            to.failed = failed
        except OSError as failed:
            to.failed = LoadError(f"the packages cannot be installed: {failed}")
        finally:
            try:
                await asyncio.to_thread(shutil.rmtree, draft, ignore_errors=True)
            finally:
                to.over.set()

    async def _run(
        self, to: Installation, draft: Path, requirements: Sequence[str], wheels: Wheels | None
    ) -> None:
        packages = draft / "packages"
        packages.mkdir(parents=True)
        wanted = draft / "requirements.txt"
        wanted.write_text("".join(f"{line}\n" for line in requirements), encoding="utf-8")
        line = _tool(packages, wanted)
        if wheels is not None:
            line += ["--no-index", "--find-links", str(wheels.folder)]
        process = await asyncio.create_subprocess_exec(
            *line,
            cwd=draft,
            env=_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=_LINE_BYTES,
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(INSTALL_S):
                await _listen(process, to)
                code = await process.wait()
        except TimeoutError:
            raise LoadError(
                f"the packages took longer than {INSTALL_S:.0f} s to install", hint=_HINTS
            ) from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # what it has begun to build as well
                await process.wait()
        if code:
            last = "\n".join(f"  {said}" for said in to.lines[-SHOWN_LINES:])
            raise LoadError(f"the packages of the project cannot be installed:\n{last}", hint=_HINTS)


def shipped(manifest: Manifest, root: Path) -> Wheels | None:
    """Give the wheels that a version brings along, whose code is at ``root``; None when it brings none."""
    digests = pack.wheels(manifest)
    return Wheels(root / pack.WHEELS, digests) if digests else None


def packages(folder: Path | None) -> Path | None:
    """Give the folder to import from, of an environment."""
    return None if folder is None else folder / "packages"


def _draft(folder: Path) -> Path:
    """Name a place beside one, for what is not whole."""
    return folder.with_name(f"{folder.name}.{secrets.token_hex(4)}")


def _tool(packages: Path, wanted: Path) -> list[str]:
    """Choose what installs: uv, which is quicker, or else pip. Raises LoadError when there is neither."""
    uv = shutil.which("uv")
    into = ["--target", str(packages), "-r", str(wanted)]
    if uv is not None:
        return [uv, "pip", "install", "--python", sys.executable, "--no-progress", "--color", "never", *into]
    if find_spec("pip") is None:
        raise LoadError(
            "the runner has neither uv nor pip, and the project needs packages",
            hint="install uv where the runner runs, or pip in its environment",
        )
    quiet = ["--disable-pip-version-check", "--no-input", "--no-color", "--progress-bar", "off"]
    return [sys.executable, "-m", "pip", "install", *quiet, *into]


def _environment() -> dict[str, str]:
    """Give what an installer needs to know, which is not what the runner knows."""
    return {
        name: value
        for name, value in os.environ.items()
        if name in INHERITED or name.startswith(_PASSED) or name.lower() in _PROXIES
    }


async def _listen(process: asyncio.subprocess.Process, to: Installation) -> None:
    assert process.stdout is not None
    while True:
        try:
            raw = await process.stdout.readline()
        except ValueError:  # a line without an end, and what was read of it is gone
            continue
        if not raw:
            return
        if line := raw.decode(errors="replace").rstrip():
            to.tell(line)


def _settle(draft: Path, folder: Path) -> None:
    """Have it on disk before it is in its place: one that is there is taken to be whole."""
    os.sync()
    with contextlib.suppress(FileExistsError):
        draft.rename(folder)


def _is_here(line: str) -> bool:
    """Tell whether this Python has what a requirement asks for, or it asks for nothing here."""
    wanted = Requirement(line.partition(" --hash")[0])
    if wanted.marker is not None and not wanted.marker.evaluate():
        return True
    if wanted.extras or wanted.url is not None:
        return False
    try:
        found = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return False
    return wanted.specifier.contains(found, prereleases=True)


def _name(requirements: Sequence[str], wheels: Wheels | None) -> str:
    """Name the environment of these."""
    shipped = () if wheels is None else wheels.digests
    said = [sys.version, sysconfig.get_platform(), *requirements, *shipped]
    return hashlib.sha256("\0".join(said).encode()).hexdigest()[:32]


_going: set[asyncio.Task[None]] = set()

"""Which runner a command talks to; "local" is a URL like any other."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from wflow.cli import credentials, output
from wflow.errors import ConfigError, StoreBusy, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from wflow.client.api import Api
    from wflow.client.remote import Remote
    from wflow.config.model import Project

DEV_PORT: Final = 8787
URL: Final = "WFLOW_API_URL"
TOKEN: Final = "WFLOW_API_TOKEN"  # noqa: S105  the name of a variable
ENVIRONMENT: Final = "CLOUDFLARE_ENV"
KEPT: Final = "wflow login"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """A runner and a token for it; ``source`` tells a person where they were found."""

    url: str
    token: str | None = field(repr=False)
    source: str


@contextmanager
def connect(*, local: bool = False, port: int | None = None) -> Iterator[Api]:
    """Connect to the runner one is logged in to, or with ``local`` to the dev session of this machine.

    When no dev session listens, the state it left in the project is opened in this process, behind the same
    API.
    """
    if port is not None and not local:
        raise UsageError("`--port` is the port of a dev session", hint="say `--local` as well")
    with ExitStack() as stack:
        yield _open(_dev_session(port, stack) if local else _remote(login()), stack)


@contextmanager
def connect_as(login: Login) -> Iterator[Api]:
    """Connect to one runner with one token."""
    with ExitStack() as stack:
        yield _open(_remote(login), stack)


@contextmanager
def connect_as_admin(*, url: str | None, token: str | None, data_dir: Path | None) -> Iterator[Api]:
    """Connect to the runner at ``url``, or to the one one is logged in to.

    With ``data_dir`` the store of a runner that does not run is opened in this process, behind the same API.
    """
    if data_dir is not None and (url or token):
        raise UsageError("`--data-dir` is a runner's folder; it takes no `--url` and no `--token`")
    with ExitStack() as stack:
        yield _open(_asleep(data_dir, stack) if data_dir else _remote(login(url=url, token=token)), stack)


def login(*, url: str | None = None, token: str | None = None) -> Login:
    """Choose the runner and the token: what is given, else the environment, else what `wflow login` kept.

    A token that was kept for one URL is never sent to another. Raises UsageError when nothing names a runner.
    """
    given = token or os.environ.get(TOKEN)
    source = "--token" if token else TOKEN
    named = url or os.environ.get(URL)
    if named and given:
        return Login(url=address_of(named), token=given, source=source)
    kept = credentials.read()
    if named:
        address = address_of(named)
        if kept and kept.url == address:
            return Login(url=address, token=kept.token, source=KEPT)
        return Login(url=address, token=None, source="--url" if url else URL)
    if kept is None:
        raise UsageError(
            "you are not logged in to a runner",
            hint="`wflow login --url URL`, or `--local` for the dev session of this machine",
        )
    return Login(url=kept.url, token=given or kept.token, source=source if given else KEPT)


def flags(*, local: bool, port: int | None) -> str:
    """Give the flags that lead the next command, in a hint, to the same place."""
    return f" --local --port {port}" if port else " --local" if local else ""


def address_of(url: str) -> str:
    """Check the URL of a runner and give its plain form; raises UsageError."""
    from wflow.client.remote import Remote

    return Remote(url=url.strip()).base


def _remote(login: Login) -> Remote:
    from wflow.client.remote import Remote

    return Remote(url=login.url, token=login.token)


def _open(remote: Remote, stack: ExitStack) -> Api:
    from wflow.client import api

    return stack.enter_context(api.connect(remote))


def _dev_session(port: int | None, stack: ExitStack) -> Remote:
    from wflow.client.remote import Remote

    if port is None:
        port = DEV_PORT
        if (project := _project()) is not None:
            from wflow.runner import address

            running = address.find(project.root)
            return Remote(url=running) if running else _left_behind(project, stack)
    if _listens(port):
        return Remote(url=f"http://localhost:{port}", hint="is it a dev session that listens there?")
    raise UsageError(
        f"no dev session listens on port {port}",
        hint="start one with `wflow dev`, or say where it listens with `--port`",
    )


def _project() -> Project | None:
    from wflow.config import load

    try:
        config = load.find(Path.cwd())
    except ConfigError:
        return None  # not in a project
    return load.load(path=config, environment=os.environ.get(ENVIRONMENT))


def _listens(port: int) -> bool:
    import socket

    try:
        socket.create_connection(("localhost", port), timeout=1).close()
    except OSError:
        return False
    return True


def _left_behind(project: Project, stack: ExitStack) -> Remote:
    """Open what the dev session keeps in the project."""
    from wflow.runner import offline

    folder = project.root / ".wflow" / "state"
    output.say(f"No dev session runs here: looking into {_near(folder)}, where nothing runs.")
    try:
        return stack.enter_context(offline.open(folder, project))
    except StoreBusy as error:
        raise UsageError(
            f"no dev session is known here, but one holds {_near(folder)}",
            hint="say where it listens with `--port`",
        ) from error


def _asleep(data_dir: Path, stack: ExitStack) -> Remote:
    from wflow.runner import offline

    if not data_dir.is_dir():
        raise UsageError(f"there is no folder `{data_dir}`", hint="`wflow runner start --data-dir` makes it")
    try:
        return stack.enter_context(offline.open(data_dir.absolute(), None))
    except StoreBusy as error:
        raise UsageError(
            f"a runner is running on `{data_dir}`", hint="ask it: name its `--url` and an admin's `--token`"
        ) from error


def _near(folder: Path) -> Path:
    """Name a folder as seen from here."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder

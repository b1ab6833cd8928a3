"""What `wflow login` keeps: one runner's URL and token, in a file that only its owner can read."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from wflow.cli import output
from wflow.errors import UsageError

_BYTES_MAX: Final = 64 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """A runner and the token it knows."""

    url: str
    token: str = field(repr=False)


def path() -> Path:
    """Name the file: in ``$WFLOW_CONFIG_HOME``, else in the person's folder for configuration."""
    if given := os.environ.get("WFLOW_CONFIG_HOME"):
        return Path(given) / "credentials.toml"
    xdg = os.environ.get("XDG_CONFIG_HOME", "")
    home = Path(xdg) if xdg.startswith("/") else Path.home() / ".config"
    return home / "wflow" / "credentials.toml"


def read() -> Credentials | None:
    """Read the file; None when there is none.

    Warns when others can read it too; raises UsageError when it is spoilt.
    """
    import tomllib

    file = path()
    try:
        with file.open("rb") as opened:
            mode = os.fstat(opened.fileno()).st_mode
            content = opened.read(_BYTES_MAX)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    if mode & _OTHERS:
        output.warn(f"others can read your token; keep it to yourself with `chmod 600 {file}`")
    try:
        match tomllib.loads(content.decode()):
            case {"url": str(url), "token": str(token)}:
                return Credentials(url=url, token=token)
    except ValueError:
        pass
    raise UsageError(f"{file} makes no sense", hint="log in again with `wflow login`")


def write(credentials: Credentials) -> Path:
    """Keep ``credentials`` in place of what was kept; gives the file. The folder is 0700, the file 0600."""
    import tomlkit

    file = path()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = file.with_name(f".{file.name}-{os.urandom(6).hex()}")
    content = tomlkit.dumps({"url": credentials.url, "token": credentials.token})
    try:
        with os.fdopen(os.open(draft, _NEW, 0o600), "w", encoding="utf-8") as opened:
            opened.write(content)
            opened.flush()
            os.fsync(opened.fileno())
        draft.replace(file)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    return file


def remove() -> Path | None:
    """Forget what is kept; gives the file that was removed, None when there was none."""
    file = path()
    try:
        file.unlink()
    except FileNotFoundError:
        return None
    return file

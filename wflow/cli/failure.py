"""What is printed when a command cannot go on, and its exit code: 1 the person can mend it, 2 is our bug."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path
from typing import Final

from wflow.cli import output
from wflow.errors import LoadError, WflowError

FINE: Final = 0
MENDABLE: Final = 1
OUR_BUG: Final = 2
STOPPED: Final = 128 + signal.SIGINT

_KEPT: Final = 20
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL
_DISK: Final = {errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EROFS, errno.EDQUOT}
_SECRET: Final = {"--token", "--var"}


def report(error: BaseException) -> int:
    """Tell the person what happened; gives the exit code."""
    match error:
        case KeyboardInterrupt():
            return STOPPED
        case SystemExit():
            return error.code if isinstance(error.code, int) else MENDABLE
        case BrokenPipeError():
            return _mute()
        case LoadError():
            _tell(error.message, error.hint, trace=error.trace)
        case WflowError():
            _tell(error.message, error.hint)
        case OSError() if error.errno in _DISK:
            where = f" {error.filename}" if error.filename else ""
            _tell(
                f"the disk refused{where}: {error.strerror}",
                "see who may write there, and whether it is full",
            )
        case _:
            return _of_typer(error)
    return MENDABLE


def state_folder() -> Path:
    """Name the folder for what wflow writes about itself (XDG base directory specification)."""
    given = os.environ.get("XDG_STATE_HOME", "")
    home = Path(given) if given.startswith("/") else Path.home() / ".local" / "state"
    return home / "wflow"


def _of_typer(error: BaseException) -> int:
    """Tell typer's own errors from bugs; typer is there if it raised one."""
    import typer

    if isinstance(error, typer.Abort):
        output.say("stopped; nothing was done")
        return STOPPED
    if not isinstance(error, typer.TyperException):
        return _bug(error)
    message, _, near = error.format_message().partition(" Did you mean ")
    message, _, _ = message.partition(" (Possible options: ")
    message = message.replace("Value error, ", "").rstrip(".")
    near = near.rstrip("?") or ", ".join(
        f"'{option}'" for option in getattr(error, "possibilities", None) or ()
    )
    command = getattr(getattr(error, "ctx", None), "command_path", "wflow")
    hint = f"did you mean {near}?" if near else f"'{command} --help' shows what it takes"
    _tell((message[:1].lower() + message[1:]).replace("'", "`"), hint.replace("'", "`"))
    return MENDABLE


def _tell(message: str, hint: str | None, *, trace: str = "") -> None:
    output.say(f"{output.paint('error:', 'red', sys.stderr)} {output.printable(message)}")
    if trace:
        output.say(f"\n{output.printable(trace.rstrip())}")
    if hint:
        output.say(f"\n{output.paint('hint:', 'cyan', sys.stderr)} {output.printable(hint)}")


def _bug(error: BaseException) -> int:
    import traceback

    trace = "".join(traceback.format_exception(error))
    what = output.printable(traceback.format_exception_only(error)[-1].strip())
    try:
        file = _keep(trace)
    except (OSError, RuntimeError):  # no place for it, or no home at all
        _tell(f"something broke inside wflow, and it is our fault, not yours: {what}", None, trace=trace)
    else:
        _tell(
            f"something broke inside wflow, and it is our fault, not yours: {what}",
            f"the details are in {file}; please send them with your report",
        )
    return OUR_BUG


def _keep(trace: str) -> Path:
    """Write the traceback to a file of its own that only the person can read; the oldest give way."""
    import platform
    from datetime import UTC, datetime

    from wflow import __version__

    folder = state_folder() / "errors"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = datetime.now(UTC)
    file = folder / f"{now:%Y%m%dT%H%M%S.%f}-{os.getpid()}.txt"
    system = f"wflow {__version__}, Python {platform.python_version()}, {platform.platform()}"
    with os.fdopen(os.open(file, _NEW, 0o600), "w", encoding="utf-8") as kept:
        kept.write(f"{now.isoformat()}\n{system}\n{' '.join(_without_secrets(sys.argv))}\n\n{trace}")
    for old in sorted(folder.glob("*.txt"))[:-_KEPT]:
        old.unlink(missing_ok=True)
    return file


def _without_secrets(arguments: list[str]) -> list[str]:
    shown = []
    hide = False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        shown.append("***" if hide else f"{name}=***" if equals and name in _SECRET else argument)
        hide = not equals and argument in _SECRET
    return shown


def _mute() -> int:
    """Nobody reads any more; what is left in the buffer must not raise again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return MENDABLE

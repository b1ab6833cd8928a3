"""`[build] command`: what the person wants run before the project is packed or loaded."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Final

from wflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

    from wflow.config.model import Project

SHOWN_CHARS: Final = 1_000
"""Of one line that the command prints."""


def run(project: Project, purpose: str, tell: Callable[[str], None]) -> None:
    """Run the project's build, if it has one, and tell what it prints; raises UsageError when it fails.

    ``purpose`` (``dev``, ``deploy`` or ``versions upload``) is in its environment as WRANGLER_COMMAND. What
    it makes has to be a file that is packed: nothing that `.gitignore` names.
    """
    command = project.build.command
    if command is None:
        return
    folder = project.root / (project.build.cwd or ".")
    tell(f"[custom build] Running: {command}")
    try:
        with subprocess.Popen(  # noqa: S602 - the person wrote it for a shell, in their own config
            command,
            shell=True,
            cwd=folder,
            env={**os.environ, "WRANGLER_COMMAND": purpose},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        ) as process:
            assert process.stdout is not None
            for line in process.stdout:
                tell(f"[custom build] {line.rstrip()[:SHOWN_CHARS]}")
    except OSError as error:
        raise UsageError(f"cannot run the custom build in {folder}: {error.strerror}") from error
    if process.returncode:
        raise UsageError(
            f"the custom build failed: `{command}` ended with exit code {process.returncode}",
            hint="run it by hand in that folder, or take `[build]` out of the config",
        )
    if not (project.root / project.main).is_file():
        raise UsageError(f"the custom build ran, and there is still no `{project.main}`")

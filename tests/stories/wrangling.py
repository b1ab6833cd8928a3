"""A person who has the real wrangler, and what a person reads in what it says."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from tests.stories.processes import PATIENCE_S, Process, Ran, World

INSTALLED = Path(__file__).parent.parent.parent / ".venv" / "wrangler"
"""Where `make wrangler` puts wrangler, and the Node that it needs."""
PROGRAMS = INSTALLED / "node_modules" / ".bin"


def need_wrangler() -> None:
    """Skip where it is not installed; on CI it must be."""
    if not (INSTALLED / "installed").exists():
        missing = "wrangler is not installed: `make wrangler` does it, and needs npm"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)


@dataclass(frozen=True, slots=True)
class Wrangler:
    """A person with a home without any login, and the address of our dev session or runner."""

    session: Process
    environment: dict[str, str]

    @classmethod
    def at(cls, world: World, session: Process, token: str = "anything") -> Self:  # noqa: S107 - a dev session takes any
        """Have wrangler take ``session`` for Cloudflare."""
        environment = {
            "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
            "HOME": world.environment["HOME"],
            "CLOUDFLARE_API_BASE_URL": f"{session.url}/client/v4",
            "CLOUDFLARE_API_TOKEN": token,
            "CLOUDFLARE_ACCOUNT_ID": "local",
            "WRANGLER_SEND_METRICS": "false",
            "WRANGLER_HIDE_BANNER": "true",  # the banner asks a registry for something newer
            "NODE_COMPILE_CACHE": str(INSTALLED / "compiled"),  # a quarter of what a command takes
        }
        return cls(session, environment)

    def run(self, *arguments: str) -> Ran:
        """Run a command to its end."""
        done = subprocess.run(
            [PROGRAMS / "wrangler", *arguments],
            cwd=self.environment["HOME"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        return Ran(code=done.returncode, out=done.stdout, err=done.stderr)

    def __call__(self, *arguments: str) -> str:
        """Run a command that goes well; gives what it says."""
        ran = self.run(*arguments)
        assert ran.code == 0, ran.out + ran.err
        assert not ran.err
        return ran.out


def labelled(said: str) -> dict[str, str]:
    """Read the values beside their labels."""
    return dict(re.findall(r"^ *([A-Z][A-Za-z ()]+): {2,}(.+)$", said, re.MULTILINE))

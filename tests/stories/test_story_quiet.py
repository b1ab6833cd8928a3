"""Nothing phones home: whatever the tool, a session and its runtimes connect to is on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.stories.processes import wait_for

if TYPE_CHECKING:
    from tests.stories.processes import World

NAME = "my-workflow"
EAR = '''\
"""Writes down whom this process looks up and connects to; Python imports it at its start."""

import os
import sys

FILE = {file!r}
HERE = ("127.", "::1", "localhost", "/")


def listen(event, given):
    if event == "socket.connect":
        address = given[1]
        where = address[0] if isinstance(address, tuple) else address
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        where = given[0]
    else:
        return
    where = where.decode() if isinstance(where, bytes) else str(where)
    word = "here" if where.startswith(HERE) or where in ("", "None") else "elsewhere"
    line = f"{{word}} {{event}} {{where}} {{' '.join(sys.orig_argv[1:5])}}\\n"
    descriptor = os.open(FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(descriptor, line.encode())
    os.close(descriptor)


sys.addaudithook(listen)
'''


def test_a_day_of_work_connects_to_nobody_but_this_machine(world: World):
    heard = world.folder / "heard.txt"
    ear = world.folder / "ear"
    ear.mkdir()
    (ear / "sitecustomize.py").write_text(EAR.format(file=str(heard)))
    before = world.environment.get("PYTHONPATH")
    world.environment["PYTHONPATH"] = f"{ear}:{before}" if before else str(ear)

    home = world.folder / NAME
    assert world.wflow("init", NAME, "--template", "workflows", "-y", cwd=world.folder).code == 0
    assert world.wflow("check", cwd=home).code == 0
    with world.dev(cwd=home) as session:
        assert session.ask("POST", "/").status_code == 201
        wait_for(lambda: "complete" in lists(world), "the end of the instance")
        session.end()

    lines = heard.read_text().splitlines()
    assert any("wflow" in line for line in lines), "the tool itself was listened to"
    assert [line for line in lines if line.startswith("elsewhere")] == []


def lists(world: World) -> str:
    return world.wflow("workflows", "instances", "list", NAME, "--local", cwd=world.folder / NAME).out

from __future__ import annotations

import pytest

from tests.bundle.judging import workflow
from wflow.bundle.lint import lint


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("import time", "time.time()"),
        ("import time", "time.time_ns()"),
        ("import time", "time.monotonic()"),
        ("import time", "time.perf_counter()"),
        ("import time", "time.localtime()"),
        ("import time", "time.strftime('%H')"),
        ("import time as t", "t.time()"),
        ("from time import time", "time()"),
        ("from time import time as now", "now()"),
        ("import datetime", "datetime.datetime.now()"),
        ("import datetime as d", "d.datetime.now(d.UTC)"),
        ("from datetime import datetime", "datetime.utcnow()"),
        ("from datetime import datetime as dt", "dt.today()"),
        ("from datetime import date", "date.today()"),
    ],
)
def test_a_clock_is_found_under_every_name(judge, imports, call):
    judge(workflow(f"started = {call}  # !WF101", imports=imports))


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("import random", "random.random()"),
        ("import random", "random.shuffle([1, 2])"),
        ("import random", "random.seed(4)"),
        ("import random", "random.Random()"),
        ("from random import choice", "choice([1, 2])"),
        ("import uuid", "uuid.uuid1()"),
        ("from uuid import uuid4", "uuid4()"),
        ("import uuid", "uuid.uuid4().hex"),
        ("import secrets", "secrets.token_hex()"),
        ("import os", "os.urandom(4)"),
        ("import numpy as np", "np.random.rand(3)"),
        ("import numpy as np", "np.random.default_rng()"),
    ],
)
def test_chance_is_found_under_every_name(judge, imports, call):
    judge(workflow(f"drawn = {call}  # !WF102", imports=imports))


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("", "open('a')"),
        ("import httpx", "httpx.get('http://a')"),
        ("import httpx", "httpx.AsyncClient()"),
        ("import requests", "requests.post('http://a')"),
        ("import aiohttp", "aiohttp.ClientSession()"),
        ("from urllib.request import urlopen", "urlopen('http://a')"),
        ("import urllib.request", "urllib.request.urlopen('http://a')"),
        ("import socket", "socket.socket()"),
        ("import subprocess", "subprocess.run(['a'])"),
        ("import os", "os.system('a')"),
        ("import asyncio", "asyncio.to_thread(print)"),
        ("from workers import fetch", "await fetch('http://a')"),
        ("from pathlib import Path", "Path('a').read_text()"),
        ("import pathlib", "pathlib.Path('a').exists()"),
        ("from pathlib import Path", "(Path('a') / 'b').parent.mkdir()"),
        ("from elsewhere import a_path", "a_path.write_text('x')"),
        ("from elsewhere import a_path", "a_path.read_bytes()"),
    ],
)
def test_io_is_found_under_every_name(judge, imports, call):
    judge(workflow(f"got = {call}  # !WF103", imports=imports))


def test_a_path_is_known_through_a_variable(judge):
    judge(
        workflow(
            """
            folder = Path("a") / "b"
            if folder.exists():  # !WF103
                return str(folder.with_suffix(".x"))
            """,
            imports="from pathlib import Path",
        )
    )


def test_a_blocking_sleep_is_found(judge):
    judge(
        workflow(
            """
            time.sleep(1)  # !WF104
            pause(2)  # !WF104
            await asyncio.sleep(1)
            await ctx.sleep("rest", "10 seconds")
            """,
            imports="import asyncio, time\nfrom time import sleep as pause",
        )
    )


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("import time", "time.localtime(event.at)"),
        ("import time", "time.strftime('%H', event.at)"),
        ("from datetime import datetime", "datetime.fromisoformat(event.at)"),
        ("from datetime import timedelta", "timedelta(days=1)"),
        ("import random", "random.Random(event.seed)"),
        ("import numpy as np", "np.random.default_rng(4)"),
        ("import uuid", "uuid.uuid5(uuid.NAMESPACE_URL, 'a')"),
        ("import secrets", "secrets.compare_digest('a', 'b')"),
        ("import httpx", "httpx.URL('http://a')"),
        ("import urllib.parse", "urllib.parse.quote('a')"),
        ("import os", "os.path.join('a', 'b')"),
        ("from pathlib import Path", "Path('a').name"),
        ("from pathlib import PurePosixPath", "PurePosixPath('a').with_suffix('.b')"),
        ("", "event.time()"),
        ("", "ctx.now()"),
        ("", "ctx.random()"),
        ("", "ctx.uuid4()"),
        ("", "self.open('a')"),
        ("", "await self.env.BUCKET.read_bytes('a')"),
        ("", "await self.env.KV.get('a')"),
        ("from elsewhere import time", "time.time()"),
        ("from .clock import time", "time()"),
        ("from elsewhere import *", "choice([1])"),
        ("def open(name): ...", "open('a')"),
        ("import time", "print(time.time)"),
    ],
)
def test_what_gives_the_same_on_every_replay_is_fine(judge, imports, call):
    judge(workflow(f"got = {call}", imports=imports))


def test_a_name_that_means_something_else_here_is_not_the_module(judge):
    judge(
        workflow(
            """
            random = event.payload
            random.shuffle()
            for time in event.times:
                time.time()
            with event as open:
                open()
            """,
            imports="import random, time",
        )
    )


def test_a_module_of_the_project_is_not_the_library_of_the_same_name(project):
    code = workflow("secrets.load(); requests.get('a')", imports="import requests, secrets")
    made = project({"src/worker.py": code, "src/secrets.py": "", "requests/__init__.py": ""})
    assert lint(made) == ()


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("import os", "os.environ['A']"),
        ("import os", "os.environ.get('A')"),
        ("from os import environ", "environ['A']"),
        ("import os", "os.getenv('A')"),
        ("import os", "os.getpid()"),
        ("import socket", "socket.gethostname()"),
        ("import platform", "platform.node()"),
        ("", "hash(event.payload)"),
    ],
)
def test_the_machine_is_found_under_every_name(judge, imports, call):
    judge(workflow(f"got = {call}  # !WF110", imports=imports))


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("import threading", "threading.Thread(target=print)"),
        ("from concurrent.futures import ThreadPoolExecutor", "ThreadPoolExecutor(4)"),
        ("import multiprocessing", "multiprocessing.Pool()"),
        ("import asyncio", "asyncio.run(other())"),
        ("import asyncio", "asyncio.new_event_loop()"),
        ("import asyncio", "await asyncio.get_running_loop().run_in_executor(None, print)"),
        ("import asyncio", "asyncio.get_event_loop().run_until_complete(other())"),
    ],
)
def test_threads_and_foreign_loops_are_found(judge, imports, call):
    judge(workflow(f"got = {call}  # !WF111", imports=imports))


@pytest.mark.parametrize(
    ("imports", "call"),
    [
        ("", "self.env.REGION"),
        ("", "self.env['REGION']"),
        ("import os", "os.path.basename('a/b')"),
        ("import os", "os.sep"),
        ("import hashlib", "hashlib.sha256(b'a').hexdigest()"),
        ("import asyncio", "asyncio.Queue()"),
        ("import asyncio", "asyncio.Lock()"),
        ("import asyncio", "asyncio.get_running_loop().time()"),
        ("import threading", "threading.Lock"),
        ("", "locals()"),
        ("", "id(event) in known"),
        ("from .settings import environ", "environ['A']"),
    ],
)
def test_what_is_no_machine_and_no_thread_is_fine(judge, imports, call):
    judge(workflow(f"got = {call}", imports=imports))

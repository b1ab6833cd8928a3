"""Each case is code; a comment `# !WF101` says which rule its line breaks, a line without one is fine."""

from __future__ import annotations

import re
from textwrap import dedent, indent

import pytest

from wflow.bundle.lint import lint

EXPECTED = re.compile(r"# !(WF\d+(?: WF\d+)*)")


@pytest.fixture
def judge(project):
    """Check code, and hold what is found against its comments."""

    def check(code):
        made = project({"src/worker.py": code})
        expected = [
            (number, rule)
            for number, line in enumerate(code.splitlines(), 1)
            if (said := EXPECTED.search(line))
            for rule in said[1].split()
        ]
        found = [(finding.line, finding.rule) for finding in lint(made)]
        assert found == sorted(expected), code

    return check


def workflow(body, *, imports=""):
    """Put a body into the `run` of a workflow."""
    head = "from wflow import WorkflowEntrypoint\n\nclass Orders(WorkflowEntrypoint):\n"
    run = "    async def run(self, event, ctx):\n" + indent(dedent(body).strip("\n"), " " * 8) + "\n"
    return dedent(imports).strip("\n") + "\n" + head + run


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
        ("", "self.env.BUCKET.read_bytes('a')"),
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


def test_an_import_inside_of_run_counts(judge):
    judge(
        workflow(
            """
            from time import time as now
            now()  # !WF101
            """
        )
    )


def test_an_import_that_may_fail_counts(judge):
    imports = """
        try:
            import httpx
        except ImportError:
            httpx = None
        """
    judge(workflow("httpx.get('a')  # !WF103", imports=imports))


def test_step_bodies_may_do_all_that(judge):
    judge(
        workflow(
            """
            @ctx.do("decorated")
            async def decorated():
                global count
                count += 1
                time.sleep(1)
                return httpx.get("a")

            def local():
                return open("a").read(), time.time()

            later = lambda: random.random()
            await decorated()
            await ctx.do("lambda", lambda: time.time())
            await ctx.do("local", local)
            await ctx.do("later", later)
            await ctx.do("method", self.fetch)
            await ctx.do("partial", partial(self.fetch, 1))
            await ctx.do("config", {"retries": {"limit": 1}}, self.fetch)
            await ctx.do("keyword", fn=local, rollback=lambda: httpx.get("a"))
            await ctx.do("outer", module_function)
            """,
            imports="""
                import time, random, httpx
                from functools import partial
                count = 0
                def module_function():
                    return time.time()
                """,
        )
        + """
    def fetch(self):
        return httpx.get("a"), time.time()
"""
    )


def test_what_a_step_is_called_with_is_workflow_code(judge):
    judge(
        workflow(
            """
            await ctx.do("a", print, time.time())  # !WF101
            await ctx.do("b", print, value=random.random())  # !WF102
            await ctx.sleep_until("c", datetime.now() + timedelta(days=1))  # !WF101

            @ctx.do("d", config={"at": time.time()})  # !WF101
            def d(at=time.time()): ...  # !WF101
            """,
            imports="import random, time\nfrom datetime import datetime, timedelta",
        )
    )


def test_methods_that_run_calls_are_workflow_code_and_others_are_not(judge):
    judge(
        workflow(
            """
            await self.first(ctx)
            self.static(1)
            """,
            imports="import time",
        )
        + """
    async def first(self, step):
        time.time()  # !WF101
        step.sleep("a", 1)  # !WF105
        await step.do("b", lambda: time.time())
        return self.second(api=step)

    def second(self, *, api):
        api.do("c", print)  # !WF105
        return self.first(api)

    @staticmethod
    def static(number):
        return time.time()  # !WF101

    def unused(self):
        return time.time()
"""
    )


def test_the_step_api_is_not_mistaken_when_it_is_passed_among_others(judge):
    judge(
        workflow("self.more(*event.rest, ctx); self.most(1, 2, ctx); self.least(ctx, key=1)")
        + """
    def more(self, a, b):
        a.do("a", print)
        b.do("a", print)

    def most(self, a, *rest, key=None):
        key.do("a", print)

    def least(self, a, *, key):
        a.do("a", print)  # !WF105
        key.do("a", print)
"""
    )


def test_functions_inside_of_run_count_when_they_are_called(judge):
    judge(
        workflow(
            """
            async def branch(number):
                await ctx.do(f"step {number}", print)
                return time.time()  # !WF101

            async def unused():
                return time.time()

            twice = lambda: random.random()  # !WF102
            return await asyncio.gather(branch(1), branch(2)), twice()
            """,
            imports="import asyncio, random, time",
        )
    )


def test_a_function_that_python_itself_calls_at_once_counts(judge):
    judge(
        workflow(
            """
            def key(item):
                return random.random()  # !WF102

            sorted(event.items, key=key)
            sorted(event.items, key=lambda item: time.time())  # !WF101
            await asyncio.gather(*map(lambda item: ctx.do("a", lambda: time.time()), event.items))
            """,
            imports="import asyncio, random, time",
        )
    )


def test_functions_of_the_module_are_not_followed(judge):
    judge(workflow("return stamp()", imports="import time\ndef stamp():\n    return time.time()"))


def test_a_step_that_is_not_awaited_is_found(judge):
    judge(
        workflow(
            """
            ctx.do("a", print)  # !WF105
            ctx.sleep("b", 1)  # !WF105
            ctx.sleep_until("c", event.at)  # !WF105
            ctx.wait_for_event("d", "paid")  # !WF105
            if event.payload:
                ctx.waitForEvent("e", "paid")  # !WF105

            @ctx.do()
            async def f(): ...
            f()  # !WF105
            """
        )
    )


def test_a_step_that_something_else_awaits_is_fine(judge):
    judge(
        workflow(
            """
            await ctx.do("a", print)
            task = asyncio.create_task(ctx.do("b", print))
            asyncio.create_task(ctx.do("c", print))
            await asyncio.gather(ctx.do("d", print), *[ctx.do(f"e {n}", print) for n in range(3)])
            waiting = ctx.wait_for_event("f", "paid")
            async with asyncio.TaskGroup() as group:
                group.create_task(ctx.sleep("g", 1))
            ctx.log("said")
            ctx.do("h")(print)
            event.do("i", print)

            @ctx.do()
            async def j(): ...
            await j()
            return ctx.do("k", print)
            """,
            imports="import asyncio",
        )
    )


def test_the_step_api_is_the_third_parameter_whatever_its_name(judge):
    judge(
        """
import time
from workers import WorkflowEntrypoint

class Orders(WorkflowEntrypoint):
    async def run(me, occasion, durable, /):
        durable.do("a", print)  # !WF105
        ctx.do("b", print)
        await durable.do("c", lambda: time.time())
        await me.more(durable)

    async def more(this, durable):
        durable.do("d", print)  # !WF105
"""
    )


def test_a_change_of_what_lives_outside_of_run_is_found(judge):
    judge(
        workflow(
            """
            global count
            count += 1  # !WF106
            SEEN["a"] = 1  # !WF106
            SEEN["b"]["c"].d = 1  # !WF106
            del SEEN["e"]  # !WF106
            ITEMS.append(1)  # !WF106
            QUEUE.popleft()  # !WF106
            os.environ["A"] = "b"  # !WF106
            Orders.total = 1  # !WF106

            def more():
                nonlocal_count = 0
                def inner():
                    nonlocal nonlocal_count
                    nonlocal_count += 1  # !WF106
                inner()
            more()
            """,
            imports="""
                import os
                from collections import deque
                count = 0
                SEEN = {}
                ITEMS: list[int] = []
                QUEUE = deque()
                """,
        )
    )


def test_a_change_of_what_is_its_own_is_fine(judge):
    judge(
        workflow(
            """
            SEEN = {}
            SEEN["a"] = 1
            items = []
            items.append(1)
            self.total = 1
            self.totals["a"] = 1
            event.payload["a"] = 1
            CLIENT.update(1)
            global count
            print(count, NAMES["a"], NAMES.get("b"))
            """,
            imports="SEEN = {}\nNAMES = {}\ncount = 0\nCLIENT = object()",
        )
    )


def test_a_step_named_after_a_clock_or_chance_is_found_once(judge):
    judge(
        workflow(
            """
            await ctx.do(f"charge {time.time()}", print)  # !WF107
            await ctx.sleep("rest-" + uuid.uuid4().hex, 1)  # !WF107
            await ctx.wait_for_event(name=str(random.random()), event_type="paid")  # !WF107
            await ctx.do(f"object {id(event)}", print)  # !WF107
            await ctx.do("text %s" % hash("a"), print)  # !WF107

            @ctx.do(f"at {datetime.now():%H}")  # !WF107
            async def at(): ...
            """,
            imports="import random, time, uuid\nfrom datetime import datetime",
        )
    )


def test_a_step_named_after_the_loop_is_fine(judge):
    judge(
        workflow(
            """
            for number, item in enumerate(event.items):
                await ctx.do(f"item {number}: {item.id!r:>10}", print)
                await ctx.do("item " + str(len(item)), print)
            identity = id(event)
            await ctx.do(f"again {ctx.random()}", print)
            """
        )
    )


def test_code_is_found_wherever_it_stands(judge):
    judge(
        workflow(
            """
            try:
                if time.time() > 1:  # !WF101
                    pass
            except ValueError:
                value = [random.random() for _ in range(3)]  # !WF102
            else:
                async with httpx.AsyncClient() as client:  # !WF103
                    await client.get("a")
            finally:
                stamp: float = time.time()  # !WF101
            match event.payload:
                case {"a": a} if time.time():  # !WF101
                    return f"{time.time()}"  # !WF101
            while (now := time.time()) < 3:  # !WF101
                yield now
            """,
            imports="import time, random, httpx",
        )
    )


def test_annotations_do_not_run(judge):
    judge(
        workflow(
            """
            value: stamp(time.time()) = 1
            def inner(a: time.time()) -> time.time(): ...
            inner(1)
            """,
            imports="from __future__ import annotations\nimport time",
        )
    )


def test_a_workflow_without_a_step_api_is_read_too(judge):
    judge(
        """
import time
from wflow import WorkflowEntrypoint

class Orders(WorkflowEntrypoint):
    async def run(self, *arguments, **more):
        time.time()  # !WF101
        ctx.do("a", print)
"""
    )

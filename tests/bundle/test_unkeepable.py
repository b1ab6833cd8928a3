from __future__ import annotations

import pytest

from tests.bundle.judging import workflow


@pytest.mark.parametrize(
    ("imports", "value"),
    [
        ("", "lambda: 1"),
        ("", "print"),
        ("", "dict"),
        ("import json", "json"),
        ("def work(): ...", "work"),
        ("class Cart: ...", "Cart"),
        ("class Cart:\n    def __init__(self): self.a = 1", "Cart()"),
        ("class Gone(Exception): ...", "Gone()"),
        ("", "ValueError('no')"),
        ("", "open('a')"),
        ("", "open('a', 'w')"),
        ("import threading", "threading.Lock()"),
        ("import asyncio", "asyncio.Event()"),
        ("import socket", "socket.socket()"),
        ("import sqlite3", "sqlite3.connect('a')"),
        ("import re", "re.search('a', 'b')"),
        ("from pathlib import Path", "Path('a')"),
        ("from pathlib import Path", "Path('a').parent if False else Path('b')"),
        ("import requests", "requests.get('http://a')"),
        ("import httpx", "httpx.post('http://a')"),
        ("from collections import deque", "deque()"),
        ("", "range(3)"),
        ("", "{'a': [1, (lambda: 1)]}"),
        ("", "None or print"),
        ("", "{(1, 2): 3}"),
        ("", "{None: 3}"),
    ],
)
def test_what_cannot_be_kept_is_found(judge, imports, value):
    judge(
        workflow(
            f"""
            def give():
                return {value}  # !WF112
            await ctx.do("give", give)
            await ctx.do("lambda", lambda: {value})  # !WF112
            """,
            imports=imports,
        )
    )


@pytest.mark.parametrize(
    ("imports", "value"),
    [
        ("", "{'a': [1, 2.5, None, True, b'c', 'd']}"),
        ("", "(1, 2), {1, 2}, frozenset({3})"),
        ("", "open('a').read()"),
        ("", "open('a', 'rb')"),
        ("", "open('a', mode)"),
        ("", "int('1')"),
        ("", "list(range(3))"),
        ("", "dict(a=1)"),
        ("import json", "json.loads('1')"),
        ("import requests", "requests.get('http://a').json()"),
        ("import re", "bool(re.search('a', 'b'))"),
        ("from pathlib import Path", "str(Path('a'))"),
        ("from datetime import datetime", "datetime.now()"),
        ("from decimal import Decimal", "Decimal('1')"),
        ("import uuid", "uuid.uuid4()"),
        ("from collections import Counter", "Counter('a')"),
        ("from dataclasses import dataclass\n@dataclass\nclass Cart:\n    a: int", "Cart(1)"),
        ("from pydantic import BaseModel\nclass Cart(BaseModel):\n    a: int", "Cart(a=1)"),
        ("from typing import NamedTuple\nclass Cart(NamedTuple):\n    a: int", "Cart(1)"),
        ("import enum\nclass Cart(enum.Enum):\n    A = 1", "Cart.A"),
        ("def work(): ...", "work()"),
        ("from elsewhere import Cart", "Cart()"),
        ("", "(number for number in event.items)"),
        ("", "{'a': 1, 2: 3, name: 4, **more}"),
    ],
)
def test_what_can_be_kept_is_fine(judge, imports, value):
    judge(workflow(f"def give():\n    return {value}\nawait ctx.do('give', give)", imports=imports))


def test_responses_of_clients_are_found(judge):
    judge(
        workflow(
            """
            async def first():
                async with httpx.AsyncClient() as client:
                    return await client.get("http://a")  # !WF112

            async def second():
                with httpx.Client() as client:
                    answer = client.get("http://a")
                    return answer  # !WF112

            async def third():
                async with httpx.AsyncClient() as client:
                    answer = await client.get("http://a")
                    return answer.json()

            async def fourth():
                return await client.get("http://a")

            for function in (first, second, third, fourth):
                pass
            await ctx.do("1", first)
            await ctx.do("2", second)
            await ctx.do("3", third)
            await ctx.do("4", fourth)
            await ctx.do("5", requests.get, "http://a")  # !WF112
            await ctx.do("6", functools.partial(httpx.get, "http://a"))  # !WF112
            await ctx.do("7", json.loads, "1")
            await ctx.do("8", open, "a", "rb")
            """,
            imports="import functools, json\nimport httpx, requests",
        )
    )


def test_functions_and_methods_that_are_steps_are_read_wherever_they_are(judge):
    judge(
        workflow(
            """
            await ctx.do("method", self.work)
            await ctx.do("here", here)
            await ctx.do("there", there)
            await ctx.map(self.work, event.items)
            await ctx.poll("poll", self.check, every="1 minute")

            @ctx.do()
            async def decorated():
                return print  # !WF112
            await decorated()
            """,
            imports="from other import there\ndef here():\n    return open  # !WF112",
        )
        + """
    async def work(self):
        try:
            return await fetch()
        except ValueError as error:
            return error  # !WF112

    def check(self):
        return [lambda: 1]  # !WF112

    def unused(self):
        return print
""",
        other="def there():\n    return print  # !WF112",
    )


def test_generators_and_functions_that_are_wrapped_are_left_alone(judge):
    judge(
        workflow(
            """
            await ctx.do("stream", self.pieces)
            await ctx.do("wrapped", self.wrapped)
            """,
            imports="from other import wraps",
        )
        + """
    async def pieces(self):
        yield b"a"
        return

    @wraps
    def wrapped(self):
        return print
"""
    )


def test_what_workflow_code_itself_has_kept_is_read(judge):
    judge(
        workflow(
            """
            ctx.set_state({"phase": print})  # !WF112
            await ctx.call(self.env.OTHER, {"callback": lambda: 1})  # !WF112
            await ctx.call(self.env.OTHER, params=[open])  # !WF112
            await ctx.do("arguments may be anything", print, lambda: 1, asyncio.Event())
            if event.payload:
                return {"made": Cart()}  # !WF112
            return {"made": 1}
            """,
            imports="import asyncio\nclass Cart: ...",
        )
    )

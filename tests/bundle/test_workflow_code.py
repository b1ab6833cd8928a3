"""Each case is code; a comment `# !WF101` says which rule its line breaks, a line without one is fine."""

from __future__ import annotations

from tests.bundle.judging import workflow


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
                return httpx.get("a").json()

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
        return httpx.get("a").text, time.time()
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
            await d()
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

            async def renew():
                nonlocal items
                items = await ctx.do("renew", list)
            await renew()
            """,
            imports="SEEN = {}\nNAMES = {}\ncount = 0\nCLIENT = object()",
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


def test_a_method_that_is_chosen_from_a_table_is_workflow_code_when_it_does_steps(judge):
    judge(
        workflow(
            """
            chosen = {"a": self.first, "b": self.second}[event.payload]
            await chosen(event, ctx)
            await ctx.do("work", self.work)
            """,
            imports="import time",
        )
        + """
    async def first(self, event, step):
        await step.sleep("a", 1)
        step.sleep("b", 1)  # !WF105
        return time.time()  # !WF101

    async def second(self, event, step):
        return await self.first(event, step)

    async def work(self, ctx):
        return time.time(), ctx.attempt
"""
    )


def test_functions_that_are_given_the_step_api_are_workflow_code_wherever_they_are(judge):
    judge(
        workflow(
            "await branch(ctx)\nawait far.branch(event, step=ctx)\nawait other(ctx)",
            imports="""
                import time
                import far
                from far import branch as other
                async def branch(ctx):
                    ctx.do("a", print)  # !WF105
                    return time.time()  # !WF101
                """,
        ),
        far="""
import random
async def branch(event, step=None):
    step = step or event
    await event.do("a", print)
    return random.random()  # !WF102
async def unused(ctx):
    return random.random()
""",
    )


def test_methods_of_a_base_in_another_file_are_workflow_code(judge):
    judge(
        """
from base import Base

class Orders(Base):
    async def run(self, event, ctx):
        await self.rest(ctx)
        return await self.work(ctx)

    async def work(self, ctx):
        return 1
""",
        base="""
import time
from wflow import WorkflowEntrypoint

class Base(WorkflowEntrypoint):
    async def rest(self, ctx):
        time.sleep(1)  # !WF104

    async def work(self, ctx):
        return time.time()
""",
    )

from __future__ import annotations

from tests.bundle.judging import workflow


def test_a_step_that_is_not_awaited_is_found(judge):
    judge(
        workflow(
            """
            ctx.do("a", print)  # !WF105
            ctx.sleep("b", 1)  # !WF105
            ctx.sleep_until("c", event.at)  # !WF105
            ctx.wait_for_event("d", "paid")  # !WF105
            ctx.map(print, event.items)  # !WF105
            ctx.poll("p", print, every=1000)  # !WF105
            ctx.call(self.env.OTHER)  # !WF105
            if event.payload:
                ctx.waitForEvent("e", "paid")  # !WF105

            @ctx.do()
            async def f(): ...
            f()  # !WF105
            [ctx.do("g", print, n) for n in event.items]  # !WF105
            """
        )
    )


def test_a_step_whose_coroutine_is_taken_for_its_result_is_found(judge):
    judge(
        workflow(
            """
            if ctx.do("a", print):  # !WF105
                pass
            total = 1 + ctx.do("b", int)  # !WF105
            order = ctx.do("c", dict)  # !WF105
            print(order["id"])
            paid = ctx.wait_for_event("d", "paid")  # !WF105
            never = ctx.do("e", print)  # !WF105
            name = f"{ctx.do('f', str)}"  # !WF105
            for item in ctx.do("g", list):  # !WF105
                print(item, paid.payload)
            return ctx.do("h", print)  # !WF105
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
            ctx.progress(1)
            ctx.do("h")(print)
            event.do("i", print)

            @ctx.do()
            async def j(): ...
            await j()
            steps = [ctx.do(f"k {n}", print) for n in range(3)]
            later = ctx.do("l", print)
            later.close()
            again = ctx.do("m", print)
            again = await again
            either = ctx.do("n", print) if event.payload else ctx.do("o", print)
            await either
            last = ctx.do("p", print)
            await asyncio.wait_for(last, 3)
            return await waiting, await task, await asyncio.gather(*steps)
            """,
            imports="import asyncio",
        )
    )


def test_what_run_returns_must_have_been_awaited(judge):
    judge(
        workflow(
            """
            if event.payload == 1:
                return ctx.sleep("a", 1)  # !WF105
            if event.payload == 2:
                return self.branch(ctx)  # !WF117
            if event.payload == 3:
                return self.env.KV.get("a")  # !WF105
            return await self.branch(ctx)
            """
        )
        + """
    async def branch(self, ctx):
        return ctx.do("a", print)
"""
    )


def test_a_helper_may_hand_a_step_on(judge):
    judge(
        workflow(
            "await self.charge(ctx)\nawait asyncio.gather(*[self.charge(ctx) for _ in range(3)])",
            imports="import asyncio",
        )
        + """
    def charge(self, ctx):
        return ctx.do("charge", print)
"""
    )


def test_a_call_of_a_binding_that_is_not_awaited_is_found(judge):
    judge(
        workflow(
            """
            self.env.KV.put("a", "b")  # !WF105
            await self.env.KV.put("a", "b")
            task = self.env.KV.get("a")
            row = await self.env.DB.prepare("select 1").bind(1).first()
            self.env.NAME
            """
        )
    )


def test_a_coroutine_that_is_not_awaited_is_found(judge):
    judge(
        workflow(
            """
            self.notify(ctx)  # !WF117
            branch()  # !WF117
            told = self.notify(ctx)  # !WF117
            helper()  # !WF117
            asyncio.sleep(1)  # !WF117
            asyncio.gather(ctx.do("a", print))  # !WF117

            async def branch(): ...
            """,
            imports="import asyncio\nfrom other import helper",
        )
        + """
    async def notify(self, ctx): ...
""",
        other="async def helper(): ...",
    )


def test_a_coroutine_that_something_awaits_is_fine(judge):
    judge(
        workflow(
            """
            await self.notify(ctx)
            asyncio.create_task(self.notify(ctx))
            tasks = [self.notify(ctx) for _ in range(3)]
            async for page in self.pages():
                print(page)
            self.plain()
            self.wrapped()
            async with asyncio.timeout(3):
                await asyncio.gather(*tasks)
            """,
            imports="import asyncio\nfrom other import decorator",
        )
        + """
    async def notify(self, ctx): ...
    async def pages(self):
        yield 1
    def plain(self): ...
    @decorator
    async def wrapped(self): ...
"""
    )


def test_a_step_that_is_declared_and_never_called_is_found(judge):
    judge(
        workflow(
            """
            @ctx.do("charge")
            async def charge():  # !WF105
                return 1

            @ctx.do("ship")
            async def ship():
                return 2

            return await ship()
            """
        )
    )


def test_a_step_that_others_depend_on_or_that_is_handed_on_is_called(judge):
    judge(
        workflow(
            """
            async def attempt(function):
                return await function()

            @ctx.do()
            async def flour(): ...
            @ctx.do("water")
            async def pour(): ...
            @ctx.do("knead")
            async def knead(flour, water, ctx): ...
            @ctx.do("bake", depends=[knead], concurrent=True)
            async def bake(dough): ...
            await attempt(bake)
            for _ in range(3):
                @ctx.do("eat")
                async def eat(): ...
                await eat()
            """
        )
    )

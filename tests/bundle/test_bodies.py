from __future__ import annotations

from tests.bundle.judging import workflow


def test_a_step_inside_a_step_is_found(judge):
    judge(
        workflow(
            """
            async def outer():
                await ctx.do("inner", print)  # !WF113
                await ctx.sleep("pause", 1)  # !WF113
                return ctx.now()  # !WF113

            @ctx.do("first")
            async def first():
                return 1

            @ctx.do("second")
            async def second():
                return await first()  # !WF113

            await ctx.do("outer", outer)
            await ctx.do("lambda", lambda: ctx.uuid4())  # !WF113
            await ctx.do("patch", lambda: ctx.patched("new"))  # !WF113
            await ctx.do("deep", lambda: self.branch(ctx))
            await ctx.do("given", self.branch, ctx)
            await ctx.do("undone", print, rollback=lambda: ctx.do("undo", print))  # !WF113
            return await second()
            """
        )
        + """
    async def branch(self, api):
        return await api.do("branch", print)  # !WF113
"""
    )


def test_what_a_step_may_ask_of_the_context_is_fine(judge):
    judge(
        workflow(
            """
            async def work(ctx):
                ctx.do("not ours", print)
                return ctx.attempt

            async def told():
                ctx.log("working")
                ctx.progress(1, 2)
                ctx.set_state({"a": 1})
                await self.env.KV.put("a", "b")

            @ctx.do()
            async def first(): ...
            @ctx.do()
            async def second(first, ctx):
                return first, ctx["attempt"]

            await ctx.do("work", work)
            await ctx.do("told", told)
            await ctx.do("method", self.work, event)
            return await second()
            """
        )
        + """
    async def work(self, event, ctx):
        return ctx.step.name, self.helper()

    def helper(self):
        return 1
"""
    )


def test_a_change_inside_a_step_that_is_used_outside_is_found(judge):
    judge(
        workflow(
            """
            pages, total, seen = [], 0, {}
            found = []
            kept = {}

            async def fetch():
                nonlocal total
                total += 1  # !WF116
                found.append(1)  # !WF116
                event.payload["a"] = 1  # !WF116
                self.count = 1  # !WF116
                self.cache["a"] = 1  # !WF116
                self.list.append(1)  # !WF116

            await ctx.do("fetch", fetch)
            await ctx.do("keep", lambda: kept.update(a=1))  # !WF116
            await ctx.do("work", self.work)
            print(total, found, event.payload, self.count, self.cache, self.list, kept)
            return self.made
            """
        )
        + """
    async def work(self):
        self.made = 1  # !WF116
"""
    )


def test_a_change_that_nobody_else_sees_is_fine(judge):
    judge(
        workflow(
            """
            found = []
            lock = asyncio.Event()

            async def fetch():
                rows = []
                rows.append(1)
                mine = {}
                mine["a"] = 1
                total = 0
                total += 1

                def inner():
                    nonlocal total
                    total += 1
                    rows.append(2)
                inner()
                lock.set()
                lock.clear()
                self.client = make()
                self.env.KV.update(1)
                return rows, self.client

            found.append(await ctx.do("fetch", fetch))
            await lock.wait()
            self.total = len(found)
            return self.total
            """,
            imports="import asyncio\nfrom other import make",
        )
    )


def test_what_helpers_of_workflow_code_change_is_fine(judge):
    judge(
        workflow(
            """
            token = "a"
            steps = []

            async def renew(when):
                nonlocal token
                @ctx.do(f"renew {when}")
                async def renewing():
                    return token
                token = await renewing()
                steps.append(when)

            await renew("first")
            return token, steps
            """
        )
    )

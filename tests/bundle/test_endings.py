from __future__ import annotations

from tests.bundle.judging import workflow


def test_a_cancellation_that_is_swallowed_is_found(judge):
    judge(
        workflow(
            """
            try:
                await ctx.do("a", print)
            except:  # !WF114
                pass
            try:
                await ctx.do("b", print)
            except BaseException as error:  # !WF114
                result = str(error)
            try:
                await ctx.do("c", print)
            except (ValueError, BaseException):  # !WF114
                return None
            try:
                await ctx.do("d", print)
            finally:
                return 1  # !WF114
            with suppress(BaseException):  # !WF114
                await ctx.do("e", print)
            """,
            imports="from contextlib import suppress",
        )
    )


def test_a_cancellation_that_is_let_through_is_fine(judge):
    judge(
        workflow(
            """
            try:
                await ctx.do("a", print)
            except Exception:
                pass
            try:
                await ctx.do("b", print)
            except BaseException:
                await ctx.do("undo b", print)
                raise
            except:
                raise ValueError("no")
            try:
                await ctx.do("c", print)
            except asyncio.CancelledError:
                return "gave up"
            finally:
                await ctx.do("tidy", print)
            try:
                number = int(event.payload)
            except:
                number = 0
            with suppress(Exception):
                await ctx.do("d", print)
            """,
            imports="import asyncio\nfrom contextlib import suppress",
        )
    )


def test_step_bodies_may_catch_what_they_like(judge):
    judge(
        workflow(
            """
            async def work():
                try:
                    await fetch()
                except:
                    return None
            await ctx.do("work", work)
            """
        )
    )


def test_a_loop_that_never_ends_and_never_waits_is_found(judge):
    judge(
        workflow(
            """
            while True:  # !WF115
                total += 1
            while 1:  # !WF115
                ctx.log("here")
            """
        )
    )


def test_a_loop_that_waits_or_ends_is_fine(judge):
    judge(
        workflow(
            """
            while True:
                await ctx.sleep("pause", "1 minute")
            while True:
                if event.payload:
                    break
            while True:
                raise ValueError("no")
            try:
                while True:
                    print(next(numbers))
            except StopIteration:
                pass
            while queue:
                queue.pop()
            while True:
                async with asyncio.timeout(3):
                    pass
            """,
            imports="import asyncio",
        )
    )

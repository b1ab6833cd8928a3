from __future__ import annotations

from tests.bundle.judging import workflow


def test_the_order_of_a_set_is_found_where_it_counts(judge):
    judge(
        workflow(
            """
            names = {item.name for item in event.items}
            for name in names:  # !WF108
                await ctx.do(name, print)
            for name in set(event.names):  # !WF108
                found.append(name)
            for name in set(event.names) | {"a"}:  # !WF108
                return name
            first = list(names)  # !WF108
            text = ", ".join(names)  # !WF108
            one = next(iter(names))  # !WF108
            any_one = names.pop()  # !WF108
            pairs = [(n, name) for n, name in enumerate(names)]  # !WF108
            upper = [name.upper() for name in names]  # !WF108
            await asyncio.gather(*(ctx.do(name, print) for name in names))  # !WF108
            print(*names)  # !WF108
            await ctx.map(print, names)  # !WF108
            for name in event.old.keys() - event.new.keys():  # !WF108
                await ctx.do(name, print)
            for name in KNOWN:  # !WF108
                await ctx.do(name, print)
            """,
            imports="import asyncio\nKNOWN = frozenset({'a', 'b'})",
        )
    )


def test_a_parameter_and_what_is_done_are_known_to_be_sets(judge):
    judge(
        workflow(
            """
            tasks = [asyncio.create_task(ctx.do(name, print)) for name in event.names]
            done, pending = await asyncio.wait(tasks)
            for task in done:  # !WF108
                found.append(task.result())
            await self.all_of(ctx, event.names)
            """,
            imports="import asyncio",
        )
        + """
    async def all_of(self, ctx, names: set[str]):
        for name in names:  # !WF108
            await ctx.do(name, print)
"""
    )


def test_a_set_whose_order_does_not_count_is_fine(judge):
    judge(
        workflow(
            """
            names = {item.name for item in event.items}
            for name in sorted(names):
                await ctx.do(name, print)
            for name in sorted(set(event.names) - {"a"}):
                await ctx.do(name, print)
            total = sum(len(name) for name in names)
            longest = max(map(len, names))
            everyone = all(name in event.known for name in names)
            if "a" in names and len(names) > 1 and names <= {"a", "b"}:
                total += 1
            for name in names:
                total += len(name)
            again = {name.upper() for name in names} | set(map(str, names))
            ordered = sorted([name for name in names], key=len)
            ordered = sorted(list(names))
            for number in {1, 2, 3}:
                await ctx.do(f"number {number}", print)
            for name in dict.fromkeys(event.names):
                await ctx.do(name, print)
            for name in event.names.keys() | {1: 2}:
                print(name)
            tasks = [asyncio.create_task(ctx.do(name, print)) for name in ordered]
            done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                found.append(task.result())
            for task in pending:
                task.cancel()
            return names
            """,
            imports="import asyncio",
        )
    )


def test_a_name_that_is_bound_to_other_things_too_is_no_set(judge):
    judge(
        workflow(
            """
            names = set(event.names)
            names = sorted(names)
            for name in names:
                await ctx.do(name, print)
            """
        )
    )


def test_a_set_that_is_made_of_itself_ends(judge):
    judge(workflow("global a, b\nfor x in a: await ctx.do(x, print)", imports="a = b\nb = a"))

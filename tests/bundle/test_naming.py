from __future__ import annotations

from tests.bundle.judging import workflow


def test_a_step_named_after_a_clock_or_chance_is_found_once(judge):
    judge(
        workflow(
            """
            await ctx.do(f"charge {time.time()}", print)  # !WF107
            await ctx.sleep("rest-" + uuid.uuid4().hex, 1)  # !WF107
            await ctx.wait_for_event(name=str(random.random()), event_type="paid")  # !WF107
            await ctx.do(f"object {id(event)}", print)  # !WF107
            await ctx.do("text %s" % hash("a"), print)  # !WF107
            await ctx.do("charge", print, formerly=f"charge {time.time()}")  # !WF107

            @ctx.do(f"at {datetime.now():%H}")  # !WF107
            async def at(): ...
            await at()
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


def test_a_name_is_known_through_variables(judge):
    judge(
        workflow(
            """
            now = datetime.now()  # !WF101
            stamp = now.isoformat()
            await ctx.do(f"charge {stamp}", print)  # !WF107
            await ctx.sleep(stamp, 1)  # !WF107
            await ctx.do(f"again {RUN}", print)  # !WF107 WF109
            """,
            imports="import uuid\nfrom datetime import datetime\nRUN = uuid.uuid4().hex",
        )
    )


def test_an_address_and_the_order_of_a_set_are_no_names(judge):
    judge(
        workflow(
            """
            def work(): ...
            cart, tags, thing = Cart(), {"a", "b"}, object()
            cart = Cart()
            basket = Basket()
            await ctx.do(f"run {work}", work)  # !WF107
            await ctx.do(f"of {self}", work)  # !WF107
            await ctx.do("of " + str(self), work)  # !WF107
            await ctx.do(f"for {basket}", work)  # !WF107
            labels = {"a", "b"}
            await ctx.do(f"tags {labels}", work)  # !WF107
            """,
            imports="class Cart: ...\nclass Basket:\n    def items(self): ...",
        )
    )


def test_names_of_results_events_and_steady_variables_are_fine(judge):
    judge(
        workflow(
            """
            order = await ctx.do("order", fetch)
            at = await ctx.do("now", lambda: time.time())
            moment, number, drawn = ctx.now(), ctx.uuid4(), ctx.random()
            await ctx.do(f"charge {order['id']} {at} {moment:%H} {number} {drawn}", print)
            await ctx.do(f"for {event.payload['id']} {event.instance_id} {PREFIX}", print)
            cart = Cart()
            await ctx.do(f"cart {cart} {cart.id!r} {len({1, 2, 3})} {sorted({'b', 'a'})}", print)
            for name, price in order["prices"].items():
                await ctx.do(f"{name}: {price}", print)
            name = fetch.__name__
            await ctx.do(name, fetch)
            name = "other"
            step = "a" if order else "b"
            await ctx.do(step, fetch)
            await ctx.map(fetch, order["items"], name=f"items of {order['id']}")
            """,
            imports="""
                import time
                PREFIX = "shop"
                def fetch(): ...
                class Cart:
                    def __str__(self): return "cart"
                """,
        )
    )


def test_a_variable_that_is_made_of_itself_ends(judge):
    judge(workflow("for n in event.items:\n    name = name + str(n)\nawait ctx.do(name, print)"))

"""The rules of `wflow check`: what each is called, why it is one, and what to write instead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: in a few words, how much it weighs, the reason, and the way out, with code that shows it."""

    title: str
    level: Level = "warning"
    why: str
    instead: str
    wrong: str = ""
    right: str = ""


RULES: Final[dict[str, Rule]] = {
    "WF000": Rule(
        title="the file cannot be read as Python",
        level="error",
        why="A file that is no Python cannot be imported, so the version that holds it cannot start.",
        instead="Mend it, or keep it out of the bundle with .gitignore.",
    ),
    "WF001": Rule(
        title="an ignore comment that silences nothing",
        level="note",
        why="The rule that it names is not broken on its line (any more), or there is no such "
        "rule. Left where it is, it would hide the next mistake on that line.",
        instead="Remove the comment, or the id from its list.",
    ),
    "WF101": Rule(
        title="a clock outside a step",
        why="`run` is played again from its first line after a crash, a long wait or a deploy. "
        "The clock says something else then, so the code may go another way than its journal "
        "did.",
        instead="`ctx.now()` gives the same instant on every replay. For the very moment, read the "
        "clock in a step.",
        wrong="if datetime.now(UTC) > deadline:",
        right="if ctx.now() > deadline:",
    ),
    "WF102": Rule(
        title="chance outside a step",
        why="A replay draws another number and makes another id, and then asks for other steps, "
        "or asks another system for something else.",
        instead="`ctx.random()` and `ctx.uuid4()` give the same on every replay; or draw in a step.",
        wrong="order = str(uuid.uuid4())",
        right="order = str(ctx.uuid4())",
    ),
    "WF103": Rule(
        title="I/O outside a step",
        why="What workflow code asks of a network, a disk or another process is asked again on "
        "every replay, with another answer perhaps, and nobody tries it again when it fails.",
        instead="Do it in a step: its result is kept, and its failures are retried.",
        wrong="page = httpx.get(url).json()",
        right='page = await ctx.do("fetch the page", fetch, url)',
    ),
    "WF104": Rule(
        title="a call that blocks",
        why="All instances of a version share a process and its loop. A call that waits there "
        "stops every one.",
        instead='`await ctx.sleep("pause", "10 seconds")` is durable and holds nothing up.',
        wrong="time.sleep(10)",
        right='await ctx.sleep("pause", "10 seconds")',
    ),
    "WF105": Rule(
        title="a step that is not awaited",
        why="It may never run, its result is not there when the code goes on, and an error of its is lost.",
        instead="Await it, or hand it to `asyncio.gather` or a `TaskGroup`. A decorated step has to "
        "be called.",
        wrong='ctx.do("charge", charge, order)',
        right='await ctx.do("charge", charge, order)',
    ),
    "WF106": Rule(
        title="a change to what lives outside of `run`",
        why="Every replay makes the change once more, other instances see it, and another process does not.",
        instead="Keep it in a variable of `run`, return it from a step, or keep it in KV.",
        wrong='SEEN.append(event.payload["id"])',
        right='seen = [*seen, event.payload["id"]]',
    ),
    "WF107": Rule(
        title="a step named after a clock or after chance",
        why="A step is known by its name. When a replay makes another name (of a clock, of "
        "chance, of an object's address, of the order of a set, by way of a variable too), it "
        "asks for a step that the journal does not have.",
        instead="Name a step after what it does. Loop variables and results of steps are fine in names.",
        wrong='await ctx.do(f"charge {time.time()}", charge)',
        right='await ctx.do(f"charge {order_id}", charge)',
    ),
    "WF108": Rule(
        title="the order of a set",
        why="The order of a set hangs on addresses, on the hashes of its members, and on the "
        "Python that runs. A runner keeps the hashes of text for its own processes; another "
        "runner, `wflow replay` elsewhere and objects have others. Steps that begin in that "
        "order are begun in another one on a replay.",
        instead="Write `sorted(...)` around it, or use a list or a dict, which keep the order of insertion.",
        wrong="for name in {item.name for item in items}: await ctx.do(name, work, name)",
        right="for name in sorted({item.name for item in items}): await ctx.do(name, work, name)",
    ),
    "WF109": Rule(
        title="a look at a module's variable that other code changes",
        why="The process that replays an instance is another one, or has done other things since. "
        "What lives in a module is not kept, and is not the same there.",
        instead="Take it from the event, from a step's result, from `self.env` or from KV. What does "
        "not change is fine.",
        wrong="if RATES: ...  # filled by a function elsewhere",
        right='rates = await ctx.do("rates", load_rates)',
    ),
    "WF110": Rule(
        title="the machine's own state outside a step",
        why="The environment, process ids, names of machines and `hash()` of text differ between "
        "processes, machines and deploys, and an instance outlives all of them.",
        instead="`self.env` holds the variables and secrets that the config declares. Or ask in a "
        "step. For a hash that stays, use `hashlib`.",
        wrong='region = os.environ["REGION"]',
        right="region = self.env.REGION",
    ),
    "WF111": Rule(
        title="threads, executors and foreign event loops in workflow code",
        why="What they run goes on beside the workflow's loop, whose order is the journal's. "
        "Nothing makes their order the same again, and they live on when the instance has "
        "left memory.",
        instead="Let a step do it: a plain function runs in a thread. `asyncio.gather` over steps "
        "runs them together.",
        wrong="with ThreadPoolExecutor() as pool: pool.map(work, items)",
        right="await ctx.map(work, items)",
    ),
    "WF112": Rule(
        title="a value that cannot be kept",
        why="A step's result is written to the journal. Functions, classes, modules, exceptions, "
        "open files, locks, clients, HTTP responses and the like have no written form: the "
        "step fails.",
        instead="Return what you need of it, as data: JSON's types, bytes, datetime, Decimal, UUID, a "
        "set, an enum, a dataclass, or a model of pydantic or msgspec.",
        wrong="return await client.get(url)",
        right="return (await client.get(url)).json()",
    ),
    "WF113": Rule(
        title="a step inside a step",
        why="A step's function runs outside of the journal's order, and again at each attempt. "
        "`ctx.do` and the other steps, `ctx.now()`, `ctx.uuid4()`, `ctx.random()` and "
        "`ctx.patched()` refuse there.",
        instead="Return the value, and do the next step in `run`.",
        wrong='async def outer(): return await ctx.do("inner", inner)',
        right='result = await ctx.do("outer", outer); await ctx.do("inner", inner, result)',
    ),
    "WF114": Rule(
        title="a cancellation that is swallowed",
        why="`cancel`, `terminate` with rollbacks, a timeout and a lost race reach `run` as "
        "`asyncio.CancelledError`, which is no `Exception`. A handler that takes everything "
        "hides it, and the code goes on as if a step had failed.",
        instead="Catch `Exception`, or end the handler with `raise`. To end in order, catch "
        "`asyncio.CancelledError` by name.",
        wrong="except BaseException: result = None",
        right="except Exception: result = None",
    ),
    "WF115": Rule(
        title="a loop that never ends and never waits",
        why="It holds the process's loop for ever: no instance there goes on, and this one is not "
        "heard of again.",
        instead="Await a step or a sleep in it, or end it.",
        wrong="while True: total += 1",
        right='while True: await ctx.sleep("pause", "1 minute")',
    ),
    "WF116": Rule(
        title="a change inside a step that is used outside",
        why="A replay takes the step's result from the journal and does not call its function. "
        "What that changed in a variable of `run`, or in `self`, is not there then.",
        instead="Return the value from the step, and change the variable in `run`.",
        wrong="async def fetch(): pages.append(await get())",
        right='pages.append(await ctx.do("fetch", get))',
    ),
    "WF117": Rule(
        title="a coroutine that is not awaited",
        why="Calling an async function only makes a coroutine. Until something awaits it, none of "
        "its steps begin.",
        instead="Await it, or hand it to `asyncio.gather` or a `TaskGroup`.",
        wrong="self.notify(ctx)",
        right="await self.notify(ctx)",
    ),
}
"""By id, which never changes its meaning."""

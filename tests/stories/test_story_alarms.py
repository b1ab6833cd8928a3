"""`wflow check` over code that is fine, and that others write: how often it cries, and how often for nothing.

What is found where nothing is wrong makes people switch a check off. So each piece of code here is one that
works, or one whose mistakes are known; `# !WF101` says that a line is rightly told of.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from textwrap import dedent, indent

import pytest

from tests.bundle.judging import expected
from wflow.bundle.lint import lint
from wflow.config import load
from wflow.config.model import Project

ROOT = Path(__file__).parents[2]
STORIES = Path(__file__).parent
TEMPLATES = sorted(file.parent for file in (ROOT / "templates").glob("*/wflow.toml"))
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "templates").rglob("*.md")),
]
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("folder", TEMPLATES, ids=lambda folder: folder.name)
def test_there_is_nothing_to_say_of_a_template(folder):
    assert lint(load.load(folder)) == ()


@pytest.mark.parametrize(
    "name", [*sorted(file.parent.name for file in STORIES.glob("features/*/worker.py")), "shop"]
)
def test_what_is_said_of_the_projects_of_these_stories_is_true(name, tmp_path):
    source = STORIES / "shop" / "src" if name == "shop" else STORIES / "features" / name
    shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    shutil.copy(STORIES / "shop" / "src" / "effects.py", tmp_path)
    # `run` tells the witness itself, so that a story sees a replay; and a step gives `len`, to be refused.
    known = re.compile(r"`tell\(\)` calls `os.open\(\)` \(effects.py:\d+\)|the builtin `len` cannot be kept")
    strangers = [finding for finding in check(tmp_path) if not known.match(finding.message)]
    assert strangers == []


def test_there_is_nothing_to_say_of_the_code_in_the_pages(tmp_path):
    written = 0
    for page in PAGES:
        for block in BLOCK.findall(page.read_text(encoding="utf-8")):
            code = as_workflow(block)
            if code is not None:
                written += 1
                (tmp_path / f"page_{written}.py").write_text(code, encoding="utf-8")
    assert written >= 10
    assert check(tmp_path) == ()


def as_workflow(block: str) -> str | None:
    """Put a piece of workflow code where it would stand; None for what is none."""
    head = "from wflow import WorkflowEntrypoint\n\nclass Shown(WorkflowEntrypoint):\n"
    if "(WorkflowEntrypoint)" in block:
        return block
    if "async def run(" in block:
        return head + indent(block, "    ")
    if "await ctx." in block or "@step.do" in block:
        return f"{head}    async def run(self, event, ctx):\n        step = ctx\n{indent(block, ' ' * 8)}"
    return None


SHAPES = {
    "steps that depend on each other": """
        class Baking(WorkflowEntrypoint):
            async def run(self, event, step):
                @step.do("mix")
                async def mixing():
                    print("mixing")
                    await asyncio.sleep(random.randint(1, 10))

                @step.do("heat")
                async def heating():
                    await asyncio.sleep(random.random())

                @step.do("bake", depends=[mixing, heating], concurrent=True)
                async def baking(dough=None, oven=None):
                    print("baked")

                await baking()
        """,
    "steps that take each other's results by name": """
        class Totals(WorkflowEntrypoint):
            async def run(self, event, step):
                @step.do()
                async def left():
                    return 2

                @step.do()
                async def right(left, ctx):
                    return left + int(ctx["attempt"])

                @step.do(concurrent=True, config={"retries": {"limit": 1, "delay": 0}})
                async def both(left, right):
                    return left * right

                return {"both": await both()}
        """,
    "a method for each mode": """
        class Modes(WorkflowEntrypoint):
            async def run(self, event, step):
                mode = event["payload"].get("mode", "nap")
                known = {"nap": self._nap, "later": self._later}
                known |= {"event": self._event, "failing": self._failing}
                chosen = known.get(mode)
                if chosen is None:
                    raise ValueError(f"unknown mode: {mode}")
                return await chosen(event, step)

            async def _nap(self, event, step):
                await step.sleep("nap", 0)
                return {"slept": True}

            async def _later(self, event, step):
                at = datetime.now() + timedelta(seconds=1)  # !WF101
                await step.sleep_until("later", at)

            async def _event(self, event, step):
                came = await step.wait_for_event("approval", "approved", timeout="24 hours")
                return {"has": "timestamp" in event, "payload": came["payload"]}

            async def _failing(self, event, step):
                @step.do("failing", config={"retries": {"limit": 0, "delay": 0}})
                async def failing():
                    raise TypeError("on purpose")

                try:
                    await failing()
                except Exception as error:
                    return {"caught": type(error).__name__, "message": str(error)}
                return None
        """,
    "a helper that is handed a step": """
        class Careful(WorkflowEntrypoint):
            async def run(self, event, step):
                async def attempt(function):
                    try:
                        return await function()
                    except Exception as error:
                        print(f"caught {type(error).__name__}: {error}")

                @step.do("may fail")
                async def may_fail():
                    raise TypeError("on purpose")

                step.sleep("forgotten", "10 seconds")  # !WF105
                await attempt(may_fail)
        """,
    "a pipeline over bindings": """
        MODEL = "some-model"
        REASONS = {"missing": "there is no original", "broken": "it is no image"}

        def key_of(job):
            return f"results/{job}.json"

        class Redrawing(WorkflowEntrypoint):
            async def run(self, event, step):
                job = event["payload"]["job"]
                bucket = self.env.BUCKET
                target = key_of(job)

                @step.do()
                async def original():
                    if await bucket.head(job) is None:
                        raise NonRetryableError(f"no original for {job}")
                    return job

                @step.do(config={"retries": {"limit": 2, "delay": "5 seconds"}})
                async def drawn(original):
                    source = await bucket.get(original)
                    if source is None:
                        return json.dumps({"ok": False, "reason": REASONS["missing"]})
                    body = base64.b64encode(await source.bytes())
                    made = await self.env.AI.run(MODEL, {"body": body})
                    await bucket.put(target, made["image"], httpMetadata={"at": time.time()})
                    return json.dumps({"ok": True, "key": target})

                result = json.loads(await drawn())
                if not result["ok"]:
                    await bucket.put(f"{target}.failed", result["reason"])
                    row = await self.env.DB.prepare("select 1").bind(job).first()
                    raise NonRetryableError(result["reason"], row)
        """,
    "a lock that is renewed between steps": """
        def target_of(event):
            if event["payload"].get("date"):
                return datetime.fromisoformat(event["payload"]["date"]).date().isoformat()
            return datetime.now(UTC).date().isoformat()

        def windows(start, end):
            found = []
            while start <= end:
                found.append((start, end))
                start += 1
            return found

        class Refreshing(WorkflowEntrypoint):
            async def run(self, event, step):
                from elsewhere import acquire, error_of, renew

                date = target_of(event)  # !WF101
                results = {}

                @step.do("acquire the lock")
                async def locking():
                    return await acquire(self.env.DB, owner=date)

                token = (await locking()).get("token")

                async def renewed(when):
                    nonlocal token
                    current = token

                    @step.do(f"renew the lock {when}")
                    async def renewing():
                        return await renew(self.env.DB, current)

                    token = (await renewing()).get("token")

                for start, end in windows(1, 3):
                    first = start

                    @step.do(f"rebuild {start}")
                    async def rebuilding(first=first):
                        rows = []
                        rows.append(first)
                        return {"rows": rows, "at": time.time()}

                    try:
                        results[start] = await rebuilding()
                    except Exception as error:
                        results[start] = error_of(error)
                    await renewed(f"after {start}")
                return {"ok": all(one["rows"] for one in results.values()), "token": token}
        """,
    "a graph that the payload describes": """
        class Walking(WorkflowEntrypoint):
            async def run(self, event, step):
                nodes = {str(node["key"]): node for node in event["payload"]["nodes"]}
                order = list(nodes)
                given = event["payload"].get("input") or {}
                for key in order:
                    node = nodes.get(key)
                    name = f"{key}: {node.get('handler') or 'none'}"
                    one = node

                    @step.do(name)
                    async def execute(one=one):
                        body = json.dumps({"node": one, "input": given})
                        answer = await self.env.PLATFORM.fetch("http://x", body)
                        return await answer.json()

                    result = await execute()
                    if result.get("waits"):
                        came = await step.wait_for_event(f"approval {key}", "approval", timeout="7 days")
                        if came["payload"].get("decision") not in ("approved", "approve"):
                            raise NonRetryableError("rejected")
                        continue
                    given = result.get("output") or result
                return {"ok": True}
        """,
    "steps that undo what was done": """
        class Ordering(WorkflowEntrypoint):
            async def run(self, event, ctx):
                items = event.payload["items"]
                try:
                    order = await ctx.do("order", self._order, items, rollback=self._cancel)
                    reserving = [ctx.do(f"reserve {item['id']}", self._reserve, item) for item in items]
                    await asyncio.gather(*reserving)
                    async with asyncio.timeout(60):
                        paid = await ctx.wait_for_event("payment", "paid")
                except TimeoutError:
                    ctx.log("not paid in time", {"order": order["id"]})
                    raise
                finally:
                    ctx.progress(1, message="over")
                return {"order": order, "paid": paid.payload}

            async def _order(self, items):
                async with httpx.AsyncClient() as client:
                    answer = await client.post("http://x", json=items)
                answer.raise_for_status()
                return answer.json()

            async def _reserve(self, item, ctx):
                self.last = item
                return {"key": ctx.idempotency_key, "at": datetime.now(UTC)}

            async def _cancel(self, output, ctx):
                if output is not None:
                    await self.env.KV.put(output["id"], "cancelled")
        """,
    "a declaration that nobody calls": """
        class Unfinished(WorkflowEntrypoint):
            async def run(self, event, step):
                @step.do("first", config={"retries": {"limit": 1, "delay": "10 seconds"}})
                async def first():  # !WF105
                    return event["payload"]
        """,
}
"""Shapes of workflows that Cloudflare's examples and documentation have, and that people publish."""

HEAD = """
import asyncio, base64, json, random, time
import httpx
from datetime import UTC, datetime, timedelta
from workers import WorkflowEntrypoint
from workers.workflows import NonRetryableError
"""


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_what_is_said_of_the_shapes_that_people_write_is_true(shape, tmp_path):
    code = HEAD + dedent(shape)
    (tmp_path / "worker.py").write_text(code, encoding="utf-8")
    assert [(finding.line, finding.rule) for finding in check(tmp_path)] == expected(code)


def check(folder: Path):
    return lint(Project(root=folder, path=folder / "wflow.toml", name="shown", main="worker.py"))

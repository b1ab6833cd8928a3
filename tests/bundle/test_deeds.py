from __future__ import annotations

from tests.bundle.judging import workflow
from wflow.bundle.lint import lint


def test_what_a_function_of_the_module_does_is_told_where_workflow_code_calls_it(judge):
    judge(
        workflow(
            """
            stamp()  # !WF101
            self.helped()
            await ctx.do("stamp", stamp)
            await ctx.do("lambda", lambda: stamp())
            pure(1)
            """,
            imports="""
                import time
                def stamp():
                    return time.time()
                def pure(number):
                    later = lambda: time.time()
                    def inner():
                        return time.time()
                    return number
                """,
        )
        + """
    def helped(self):
        return stamp()  # !WF101
"""
    )


def test_it_is_found_through_other_functions_and_other_files(judge):
    judge(
        workflow(
            """
            first()  # !WF102
            far.stamp()  # !WF101
            renamed()  # !WF101 WF103
            deep.near.both()  # !WF101 WF103
            given()  # !WF103
            """,
            imports="""
                import random
                import far
                import deep.near
                from far import both as renamed
                from deep import given
                def first(): return second()
                def second(): return third()
                def third():
                    first()
                    return random.random()
                """,
        ),
        far="""
import time
def stamp(): return time.time()
def both():
    open("a")
    return stamp(), time.monotonic()
""",
        **{
            "deep/__init__": "from .near import read as given\n",
            "deep/near": """
from pathlib import Path
from ..far import both
def read(): return Path("a").read_text()
""",
        },
    )


def test_the_message_names_the_call_and_its_place(project):
    code = workflow("return stamp()", imports="from clock import stamp")
    clock = "import time\ndef stamp():\n    return time.time()\n"
    (finding,) = lint(project({"src/worker.py": code, "src/clock.py": clock}))
    assert (finding.path, finding.line) == ("src/worker.py", 6)
    assert finding.message == (
        "`stamp()` calls `time.time()` (src/clock.py:3), which reads the clock: a replay sees another time"
    )


def test_functions_that_call_each_other_for_ever_end(judge):
    judge(
        workflow(
            "one()  # !WF101\ntwo()  # !WF101",
            imports="import time\ndef one(): two()\ndef two():\n    one()\n    time.time()",
        )
    )


def test_methods_of_other_objects_are_not_followed(judge):
    judge(
        workflow(
            "return Clock().stamp()",
            imports="import time\nclass Clock:\n    def stamp(self): return time.time()",
        )
    )

from __future__ import annotations

from tests.bundle.judging import workflow


def test_a_look_at_what_other_code_changes_is_found(judge):
    judge(
        workflow(
            """
            if RATES["a"] > 1:  # !WF109
                print(count)  # !WF109
            for name in NAMES:  # !WF109
                await ctx.do(name, print)
            return settings.DEBUG, LEVEL  # !WF109
            """,
            imports="""
                import settings
                from settings import LEVEL
                RATES = {}
                NAMES: list[str] = []
                count = 0

                def load():
                    RATES["a"] = 2

                class Door:
                    async def fetch(self, request):
                        global count
                        count += 1
                        NAMES.append(request)
                """,
        ),
        settings="DEBUG = False\nLEVEL = 1\ndef debug():\n    global DEBUG\n    DEBUG = True\n",
    )


def test_a_step_is_other_code_too(judge):
    judge(
        workflow(
            """
            async def fetch():
                SEEN.append(1)
            await ctx.do("fetch", fetch)
            return len(SEEN)  # !WF109
            """,
            imports="SEEN = []",
        )
    )


def test_what_is_drawn_when_its_module_is_imported_is_found(judge):
    judge(
        workflow(
            "return STARTED, RUN, HASH, STEADY  # !WF109 WF109 WF109",
            imports="""
                import time, uuid
                STARTED = time.time()
                RUN = f"run-{uuid.uuid4()}"
                HASH = hash("a")
                STEADY = uuid.uuid5(uuid.NAMESPACE_URL, "a")
                """,
        )
    )


def test_constants_and_registries_are_fine(judge):
    judge(
        workflow(
            """
            handler = HANDLERS[event.payload]
            print(LIMITS["a"], NAMES, handler, log, client, TABLE)
            return event.payload in STATES
            """,
            imports="""
                import logging
                log = logging.getLogger(__name__)
                LIMITS = {"a": 1}
                NAMES = ["a"]
                NAMES.append("b")
                STATES = frozenset({"a"})
                HANDLERS = {}
                TABLE = {}
                client = object()

                def handles(name):
                    def register(function):
                        HANDLERS[name] = function
                        return function
                    return register

                @handles("a")
                def first(): ...

                class Handler:
                    def __init_subclass__(cls):
                        HANDLERS[cls.__name__] = cls

                def fill():
                    TABLE["a"] = 1
                fill()

                def local():
                    LIMITS = {}
                    LIMITS["b"] = 2
                    NAMES = []
                    NAMES.append(1)
                """,
        )
    )


def test_a_change_by_workflow_code_itself_is_told_as_that(judge):
    judge(
        workflow(
            """
            SEEN.append(1)  # !WF106
            global count
            count += 1  # !WF106
            return len(SEEN), count
            """,
            imports="SEEN = []\ncount = 0",
        )
    )

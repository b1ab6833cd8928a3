from __future__ import annotations

import re
import sysconfig
from pathlib import Path
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.bundle.lint import RULES, Finding, lint, report
from wflow.config.model import Project
from wflow.errors import BundleError

BODY = "    async def run(self, event, ctx):\n        return time.time()\n"
PLAIN = f"import time\nfrom wflow import WorkflowEntrypoint\n\nclass Orders(WorkflowEntrypoint):\n{BODY}"


def rules(findings):
    return [finding.rule for finding in findings]


def test_a_finding_says_where_what_and_the_way_out(project):
    assert lint(project({"src/worker.py": PLAIN})) == (
        Finding(
            rule="WF101",
            path="src/worker.py",
            line=6,
            column=16,
            message="`time.time()` reads the clock: a replay sees another time",
            hint='use `ctx.now()`, or read it in a step, which keeps it: `await ctx.do("now", function)`',
            end_line=6,
            end_column=27,
        ),
    )


def test_the_hint_speaks_of_the_step_api_by_its_name(project):
    (finding,) = lint(project({"src/worker.py": PLAIN.replace("ctx", "step")}))
    assert finding.hint.startswith("use `step.now()`")


def test_a_column_counts_letters_and_not_bytes(project):
    code = PLAIN.replace("return time.time()", "return 'é日', time.time()")
    assert [finding.column for finding in lint(project({"src/worker.py": code}))] == [22]


def test_findings_come_by_file_line_and_column(project):
    code = PLAIN.replace("return time.time()", "return time.time(), time.time()")
    found = lint(project({"src/worker.py": code, "a.py": PLAIN, "src/b.py": PLAIN}))
    assert [(finding.path, finding.column) for finding in found] == [
        ("a.py", 16),
        ("src/b.py", 16),
        ("src/worker.py", 16),
        ("src/worker.py", 29),
    ]


def test_only_files_that_are_shipped_are_read(project):
    made = project(
        {"old.py": PLAIN, ".venv/a.py": PLAIN, "a.pyi": PLAIN, "a.txt": PLAIN, ".gitignore": "old.py"}
    )
    assert lint(made) == ()


def test_what_the_bundle_refuses_is_refused_here(project):
    made = project()
    (made.root / "a.py").symlink_to("/etc/passwd")
    with pytest.raises(BundleError, match="symbolic link"):
        lint(made)


@pytest.mark.parametrize(
    "head",
    [
        "from wflow import WorkflowEntrypoint\nclass Other(WorkflowEntrypoint):",
        "from workers import WorkflowEntrypoint\nclass Other(WorkflowEntrypoint):",
        "from workers import WorkflowEntrypoint as W\nclass Other(W):",
        "import wflow\nclass Other(wflow.WorkflowEntrypoint):",
        "import wflow\nclass Other(Mixin, wflow.WorkflowEntrypoint[int]):",
        "import wflow\nclass First(wflow.WorkflowEntrypoint): ...\nclass Other(First):",
        "from base import Base\nclass Orders(Base):",
    ],
)
def test_a_class_that_is_a_workflow_is_read(project, head):
    assert rules(lint(project({"src/worker.py": f"import time\n{head}\n{BODY}"}))) == ["WF101"]


@pytest.mark.parametrize(
    "head",
    [
        "class Other:",
        "from wflow import WorkerEntrypoint\nclass Other(WorkerEntrypoint):",
        "from base import Base\nclass Other(Base):",
        "class Other(Other):",
        "class A(Other): ...\nclass Other(A):",
        "class Other(make()):",
    ],
)
def test_a_class_that_is_none_is_left_alone(project, head):
    assert lint(project({"src/worker.py": f"import time\n{head}\n{BODY}"})) == ()


def test_a_run_that_two_workflows_share_is_told_once(project):
    assert rules(lint(project({"src/worker.py": f"{PLAIN}\nclass More(Orders): ...\n"}))) == ["WF101"]


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("x = (\n", 1, "this is no Python: '(' was never closed"),
        ("a = 1\n  b = 2\n", 2, "this is no Python: unexpected indent"),
        ("print 1\n", 1, "this is no Python: Missing parentheses"),
        (b"a = '\xff'\n", 1, "this is no Python: "),
        (b"a = 1\0\n", 1, "this is no Python: "),
        (b"# coding: unheard-of\n", 1, "this is no Python: "),
        ("x = " + "(" * 500 + ")" * 500, 1, "this "),
    ],
)
def test_a_file_that_is_no_python_is_a_finding(project, text, line, message):
    (finding,) = lint(project({"src/broken.py": text}))
    assert (finding.rule, finding.path, finding.line) == ("WF000", "src/broken.py", line)
    assert finding.message.startswith(message)


def test_a_syntax_error_is_told_with_its_column(project):
    (finding,) = lint(project({"src/broken.py": "a = 1\nx = (\n"}))
    assert (finding.line, finding.column) == (2, 5)


def test_code_that_nests_too_deeply_to_be_read_is_a_finding_and_no_crash(project):
    code = PLAIN.replace("time.time()", "+".join(["time.time()"] * 5_000))
    found = lint(project({"src/worker.py": code}))
    assert rules(found) == ["WF000"]
    assert found[0].message == "this nests too deeply to be checked"


def test_a_warning_of_the_compiler_is_no_concern_of_ours(project):
    assert lint(project({"src/worker.py": "a = '\\d'\nb = 1 is 1\n"})) == ()


def test_every_rule_that_is_told_is_listed():
    package = Path(__file__).parents[2] / "wflow" / "bundle"
    told = {rule for file in package.glob("*.py") for rule in re.findall(r'"(WF\d+)"', file.read_text())}
    assert told == set(RULES)


words = st.sampled_from(
    [
        *(
            "ctx",
            ".do(",
            "time.time()",
            ")",
            "await ",
            "lambda: ",
            "self.",
            "x",
            "=",
            "\n        ",
            "'a'",
            "(",
        ),
        *(", ", "def f():", "class A:", " pass", "global x", "for ", " in ", "[", "]", "if ", ":", "f'{x}'"),
        *(
            "import time",
            "@",
            "*",
            "print",
            "{",
            "}",
            "while True:",
            "try:",
            "except:",
            "return ",
            ".append(",
        ),
        *(
            "nonlocal x",
            "async with ",
            "with open(",
            " as x",
            "yield ",
            "@ctx.do()",
            "self.x",
            "None",
            "set(",
        ),
    ]
)


@given(st.lists(words, max_size=30))
def test_no_code_makes_it_fail(tmp_path_factory, pieces):
    root = tmp_path_factory.mktemp("any")
    (root / "worker.py").write_text(PLAIN + "        " + "".join(pieces) + "\n", encoding="utf-8")
    found = lint(Project(root=root, path=root / "wflow.toml", name="shop", main="worker.py"))
    assert found
    assert set(rules(found)) <= set(RULES)


def test_the_standard_library_makes_it_fail_nowhere(tmp_path):
    for file in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("[a-e]*.py")):
        text = re.sub(
            r"^( *)class (\w+)(\(.*\))?:",
            r"\1class \2(WorkflowEntrypoint):",
            file.read_text("utf-8"),
            flags=re.MULTILINE,
        )
        text = re.sub(r"def \w+\(self", "def run(self", text, count=0)
        (tmp_path / file.name).write_text(text, "utf-8")
    found = lint(Project(root=tmp_path, path=tmp_path / "wflow.toml", name="shop", main="abc.py"))
    assert found
    assert set(rules(found)) <= set(RULES)


def test_text_that_is_not_saved_yet_counts_instead_of_the_file(project):
    made = project({"src/worker.py": PLAIN})
    assert report(made, unsaved={"src/worker.py": b""}).findings == ()
    found = report(made, unsaved={"src/new.py": PLAIN.encode(), "src/worker.py": b""})
    assert [finding.path for finding in found.findings] == ["src/new.py"]
    assert found.files == ("src/new.py", "src/worker.py")


def test_text_of_a_file_that_is_not_shipped_is_not_checked(project):
    made = project({"old.py": PLAIN, ".gitignore": "old.py"})
    assert report(made, unsaved={"old.py": PLAIN.encode()}).findings == ()


def test_two_hundred_files_take_less_than_a_second(project):
    steps = "\n        ".join(f"await ctx.do('{number}', lambda: time.time())" for number in range(30))
    flow = PLAIN.replace("return time.time()", steps)
    other = "import time\n" + "".join(
        f"def stamp_{n}(self, rows):\n    for row in rows:\n        self.x[row] = time.time()\n"
        for n in range(30)
    )
    made = project({f"src/file_{number}.py": other if number % 5 else flow for number in range(200)})
    begun = process_time()
    assert lint(made) == ()
    assert process_time() - begun < 3  # under 0.5 where nothing else runs

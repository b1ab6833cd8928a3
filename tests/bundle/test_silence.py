from __future__ import annotations

import pytest

from wflow.bundle.lint import lint
from wflow.bundle.silence import comments_in

PLAIN = """import time
from wflow import WorkflowEntrypoint

class Orders(WorkflowEntrypoint):
    async def run(self, event, ctx):
        return time.time()
"""


def rules(findings):
    return [finding.rule for finding in findings]


@pytest.mark.parametrize(
    "comment",
    [
        "# wflow: ignore",
        "# wflow: ignore[WF101]",
        "#wflow:ignore[ WF101 ]",
        "# because  # wflow: ignore[WF101]  (a metric)",
    ],
)
def test_a_comment_on_the_line_silences_a_finding(project, comment):
    assert lint(project({"src/worker.py": PLAIN.replace("time.time()", f"time.time()  {comment}")})) == ()


@pytest.mark.parametrize("comment", ["# wflow: ignored", "# noqa", "# wflow ignore", "; '# wflow: ignore'"])
def test_another_comment_silences_nothing(project, comment):
    code = PLAIN.replace("time.time()", f"time.time()  {comment}")
    assert rules(lint(project({"src/worker.py": code}))) == ["WF101"]


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        (
            "# wflow: ignore[WF102]",
            "`# wflow: ignore[WF102]` silences nothing: nothing on this line breaks a rule it names",
        ),
        ("# wflow: ignore[WF999]", "`# wflow: ignore[WF999]` silences nothing: there is no rule WF999"),
        ("# wflow: ignore[]", "`# wflow: ignore[]` silences nothing: it names no rule"),
    ],
)
def test_a_comment_that_silences_another_rule_is_told_beside_the_finding(project, comment, message):
    found = lint(project({"src/worker.py": PLAIN.replace("time.time()", f"time.time()  {comment}")}))
    assert rules(found) == ["WF101", "WF001"]
    assert (found[1].line, found[1].column, found[1].message) == (6, 29, message)


def test_what_of_a_comment_silences_nothing_is_told(project):
    code = PLAIN.replace("time.time()", "time.time()  # wflow: ignore[WF102, WF101]")
    (found,) = lint(project({"src/worker.py": code}))
    assert found.rule == "WF001"
    assert "ignore[WF102]" in found.message


def test_a_comment_on_another_line_silences_nothing_and_is_told(project):
    found = lint(project({"src/worker.py": f"# wflow: ignore\n{PLAIN}# wflow: ignore\n"}))
    assert [(one.rule, one.line) for one in found] == [("WF001", 1), ("WF101", 7), ("WF001", 8)]


def test_a_comment_in_a_file_without_workflows_is_told(project):
    (found,) = lint(project({"src/other.py": "import time\nNOW = time.time()  # wflow: ignore[WF101]\n"}))
    assert (found.rule, found.path, found.line) == ("WF001", "src/other.py", 2)


def test_a_comment_in_a_text_is_none(project):
    assert lint(project({"src/other.py": 'TEXT = """\n# wflow: ignore\n"""\n'})) == ()


def test_a_call_over_many_lines_is_silenced_on_its_first_or_last(project):
    call = "ctx.do(\n            'a',\n            print,\n        )"
    code = PLAIN.replace("return time.time()", call)
    assert rules(lint(project({"src/worker.py": code}))) == ["WF105"]
    for place in ("ctx.do(", "        )"):
        assert lint(project({"src/worker.py": code.replace(place, f"{place}  # wflow: ignore[WF105]")})) == ()
    inside = code.replace("'a',", "'a',  # wflow: ignore")
    assert rules(lint(project({"src/worker.py": inside}))) == ["WF105", "WF001"]


def test_what_a_function_elsewhere_does_is_silenced_there_or_where_it_is_called(project):
    code = PLAIN.replace("import time", "from clock import stamp").replace("time.time()", "stamp()")
    clock = "import time\ndef stamp():\n    return time.time()\n"
    ignored = clock.replace("time()\n", "time()  # wflow: ignore[WF101]\n")
    assert rules(lint(project({"src/worker.py": code, "src/clock.py": clock}))) == ["WF101"]
    assert lint(project({"src/worker.py": code, "src/clock.py": ignored})) == ()
    here = code.replace("stamp()", "stamp()  # wflow: ignore[WF101]")
    assert lint(project({"src/worker.py": here, "src/clock.py": clock})) == ()


def test_a_comment_counts_for_every_finding_on_its_line():
    comments = comments_in(b"a  # wflow: ignore[WF101]\n")
    assert comments.silence("WF101", 1)
    assert comments.silence("WF101", 1, 1)
    assert not comments.silence("WF102", 1)
    assert list(comments.idle()) == []

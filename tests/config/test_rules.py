from __future__ import annotations

import pytest

from wflow.config import rules
from wflow.config.report import WRONG, Report
from wflow.config.tree import parse


def judge(rule: object, toml: str) -> object:
    """What a rule makes of a value; the problems, if it refuses."""
    report = Report("f")
    assert callable(rule)
    value = rule(parse(f"k = {toml}", "f").table["k"], report)
    if value is not WRONG:
        assert not report
        return value
    return report.error().message.split("\n\n  f:1   k")[1]


@pytest.mark.parametrize(
    ("rule", "toml", "value"),
    [
        (rules.text, '"a b"', "a b"),
        (rules.identifier, '"MY_KV"', "MY_KV"),
        (rules.workflow_name, '"my-Flow_1"', "my-Flow_1"),
        (rules.worker_name, '"my-worker"', "my-worker"),
        (rules.python_file, '"./src//worker.py"', "src/worker.py"),
        (rules.python_file, r"'src\worker.py'", "src/worker.py"),
        (rules.day, '"2026-02-28"', "2026-02-28"),
        (rules.duration, "1_500", 1_500),
        (rules.duration, '"3 days"', 3 * 86_400_000),
        (rules.cron, '"*/5 0-6 1,15 JAN *"', "*/5 0-6 1,15 JAN *"),
        (rules.rate, '"120/min"', 2.0),
        (rules.dotted, '"customer.id"', "customer.id"),
        (rules.dotted, '"an id"', "an id"),
        (rules.whole(1, 3), "3", 3),
        (rules.each(rules.text), '["a", "b"]', ("a", "b")),
        (rules.each(rules.text), "[]", ()),
        (rules.one_or_more(rules.text), '"a"', ("a",)),
        (rules.one_or_more(rules.text), '["a", "b"]', ("a", "b")),
        (rules.json_table, "{ a = [1, { b = 1.5 }], c = true }", {"a": [1, {"b": 1.5}], "c": True}),
    ],
)
def test_a_good_value_is_taken(rule: object, toml: str, value: object):
    assert judge(rule, toml) == value


@pytest.mark.parametrize(
    ("rule", "toml", "problem"),
    [
        (rules.text, '""', ': must be a string of 1-1,024 printable characters, not ""'),
        (rules.text, '"\\u001b"', ': must be a string of 1-1,024 printable characters, not "\\u001b"'),
        (rules.identifier, '"lambda"', ': must not be a keyword of Python such as "lambda"'),
        (
            rules.worker_name,
            '"My App"',
            ': must be 1-63 lower-case letters, digits, `_` or `-`, with no `-` first, not "My App"',
        ),
        (rules.python_file, "5", ": must be the path of a Python file, not 5"),
        (rules.python_file, '""', ': must be the path of a Python file, not ""'),
        (rules.python_file, '"/etc/x.py"', ': must be a path inside the project\'s folder, not "/etc/x.py"'),
        (
            rules.python_file,
            '"a/../../x.py"',
            ': must be a path inside the project\'s folder, not "a/../../x.py"',
        ),
        (rules.python_file, "'C:\\x.py'", ': must be a path inside the project\'s folder, not "C:\\\\x.py"'),
        (rules.python_file, '"i.ts"', ': must be a Python file: wflow runs no JavaScript such as "i.ts"'),
        (rules.python_file, '"src"', ': must be a Python file that ends with `.py`, not "src"'),
        (rules.day, '"2026-02-30"', ': must be a date in quotes, such as "2026-01-31", not "2026-02-30"'),
        (rules.day, "2026-02-28", ': must be a date in quotes, such as "2026-01-31", not 2026-02-28'),
        (rules.duration, '"3 dys"', ': must be 0 to 365 days, in milliseconds or as "3 days", not "3 dys"'),
        (rules.duration, "-1", ': must be 0 to 365 days, in milliseconds or as "3 days", not -1'),
        (rules.duration, "true", ': must be 0 to 365 days, in milliseconds or as "3 days", not true'),
        (
            rules.rate,
            '"3 a day"',
            (
                ': must be a rate, not "3 a day": a rate is a number and a time, such as "300/s", "20/min", '
                '"1000/h" or "5/d"'
            ),
        ),
        (
            rules.dotted,
            '"a.b.c.d.e.f.g.h.i.j.k"',
            (
                ': must be the way to a value in the params, such as "customer.id" (1-10 names), '
                'not "a.b.c.d.e.f.g.h.i.j.k"'
            ),
        ),
        (rules.whole(1, 3), "0", ": must be a whole number from 1 to 3, not 0"),
        (rules.whole(1, 3), "true", ": must be a whole number from 1 to 3, not true"),
        (rules.whole(1, 3), "2.0", ": must be a whole number from 1 to 3, not 2.0"),
        (rules.each(rules.text), '"a"', ': must be an array, not "a"'),
        (rules.each(rules.whole(1, 3)), "[1, 9]", "[1]: must be a whole number from 1 to 3, not 9"),
        (rules.one_or_more(rules.text), "[]", ": must not be empty; leave the key out instead"),
        (rules.json_table, "5", ": must be a table, not 5"),
        (rules.json_table, "{ a = [2026-01-01] }", ".a[0]: must not be a date or a time: put it in quotes"),
        (rules.json_table, "{ a = 07:32:00 }", ".a: must not be a date or a time: put it in quotes"),
        (rules.json_table, "{ a = nan }", ".a: must be a finite number, not nan"),
        (rules.json_table, f"{{ a = {2**63} }}", f".a: must fit in 64 bits, not {2**63}"),
    ],
)
def test_a_bad_value_is_told(rule: object, toml: str, problem: str):
    assert judge(rule, toml) == problem


@pytest.mark.parametrize("toml", ["5", '"a-b"', '"1a"', '""', '"__class__"', '"schön"', f'"{"a" * 2_000}"'])
def test_what_is_no_name_of_python_is_no_binding(toml: str):
    told = str(judge(rules.identifier, toml))
    assert told.startswith(
        ": must be a Python name (letters, digits and `_`, with no digit and no `__` first), not "
    )


@pytest.mark.parametrize("toml", ['"-a"', '"a b"', '""', "5", f'"{"a" * 65}"'])
def test_a_workflow_name_keeps_cloudflares_rule(toml: str):
    assert str(judge(rules.workflow_name, toml)).startswith(": Workflow names must be 1-64 characters long")


@pytest.mark.parametrize(
    "toml", ['""', '"* * * *"', '"* * * * * *"', '"; * * * *"', "5", f'"{"1" * 250} * * * *"']
)
def test_a_schedule_has_five_fields(toml: str):
    assert str(judge(rules.cron, toml)).startswith(": a schedule is five fields of cron")

from __future__ import annotations

import pytest

from wflow.engine import names
from wflow.errors import InvalidInput

GOOD = ["a", "A-1", "_", "9", "order-1_x", "a" * 64]
BAD = ["", "-a", "a b", "a.b", "ä", "a\n", "\n", "a/b", "\u0663", "a\x00", None, 1, b"a", ["a"]]


@pytest.mark.parametrize("check", [names.workflow_name, names.instance_id, names.event_type])
@pytest.mark.parametrize("name", GOOD)
def test_letters_digits_underscores_and_hyphens_make_a_name(check, name):
    assert check(name) == name


@pytest.mark.parametrize("check", [names.workflow_name, names.instance_id, names.event_type])
@pytest.mark.parametrize("name", BAD)
def test_any_other_name_is_refused_and_shown(check, name):
    with pytest.raises(InvalidInput) as refused:
        check(name)
    assert repr(name) in refused.value.message


@pytest.mark.parametrize(
    ("check", "longest"), [(names.workflow_name, 64), (names.instance_id, 100), (names.event_type, 100)]
)
def test_a_name_has_a_length_that_the_message_names(check, longest):
    assert check("a" * longest)
    with pytest.raises(InvalidInput, match=f"1-{longest} "):
        check("a" * (longest + 1))


@pytest.mark.parametrize("name", ["charge", "Send the mail – twice", "步骤", " ", "-", "a" * 256, "🙂"])
def test_a_step_may_have_nearly_any_name(name):
    assert names.step_name(name) == name


@pytest.mark.parametrize("name", ["", "a\nb", "\x00", "\x1b[31m", "a" * 257, "\ud800", None, 3, b"a"])
def test_a_step_name_that_cannot_be_kept_or_shown_is_refused(name):
    with pytest.raises(InvalidInput, match="a step name is 1-256 characters"):
        names.step_name(name)


@pytest.mark.parametrize("name", ["rollback:", "rollback:charge-1", "rollback:" + "x" * 247])
def test_a_step_name_that_looks_like_a_rollbacks_is_refused(name):
    with pytest.raises(InvalidInput, match="a step name does not begin with 'rollback:', which is kept for"):
        names.step_name(name)


@pytest.mark.parametrize("name", ["rollback", "Rollback: charge", " rollback:", "undo rollback:x"])
def test_a_step_may_well_be_about_rollbacks(name):
    assert names.step_name(name) == name


def test_what_is_shown_in_a_message_is_short_whatever_it_is():
    class Sour:
        def __repr__(self) -> str:
            raise RuntimeError("no")

    assert names.shown("x") == "'x'"
    assert len(names.shown("x" * 10_000)) == 80
    assert names.shown(10**5_000) == "a int"
    assert names.shown(Sour()).startswith("a test_what_is_shown")


def test_a_text_longer_than_a_log_line_is_cut_and_says_so():
    assert names.cut("x" * names.LOG_LINE_CHARS) == "x" * names.LOG_LINE_CHARS
    cut = names.cut("x" * 20_000)
    assert len(cut) == names.LOG_LINE_CHARS
    assert cut.endswith("x... (20,000 characters)")

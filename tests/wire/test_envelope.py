"""The envelope, and the status of every error."""

from __future__ import annotations

import msgspec
import pytest

from wflow import errors
from wflow.wire import envelope
from wflow.wire.envelope import NoSuchRoute, Problem, WrongMethod


def test_a_result_is_wrapped_as_cloudflare_does_it():
    assert msgspec.json.decode(envelope.done([1])) == {
        "success": True,
        "errors": [],
        "messages": [],
        "result": [1],
    }


def test_a_list_says_of_its_page_beside_the_result():
    assert msgspec.json.decode(envelope.done([], {"page": 1}))["result_info"] == {"page": 1}


def test_a_problem_is_wrapped_without_what_is_not_known_of_it():
    assert msgspec.json.decode(envelope.refused(Problem(code=7003, message="no"))) == {
        "success": False,
        "errors": [{"code": 7003, "message": "no"}],
        "messages": [],
        "result": None,
    }


def test_what_was_written_is_read_again():
    problem = Problem(code=1, message="no", hint="yes", trace="line 1", file="a.py", line=1)
    assert envelope.decode(envelope.refused(problem)).errors == [problem]


@pytest.mark.parametrize("raw", [b"", b"[]", b"{}", b'{"success": 1}', b"<html>", b"\xff"])
def test_what_is_no_envelope_is_not_read(raw):
    with pytest.raises(msgspec.DecodeError):
        envelope.decode(raw)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidInput("no"), 400),
        (errors.BundleError("no"), 400),
        (errors.LoadError("no"), 400),
        (errors.UnserializableError("no"), 400),
        (errors.Refused("no"), 400),
        (errors.Unauthorized("no"), 401),
        (errors.Forbidden("no"), 403),
        (errors.WorkflowNotFound("no"), 404),
        (errors.InstanceNotFound("no"), 404),
        (NoSuchRoute("no"), 404),
        (WrongMethod("no"), 405),
        (errors.InstanceExists("no"), 409),
        (errors.InstanceEnded("no"), 409),
        (errors.TooLarge("no"), 413),
        (errors.TooMany("no"), 429),
        (errors.StoreError("no"), 500),
        (errors.LinkError("no"), 500),
        (errors.ConfigError("no"), 500),
        (RuntimeError("no"), 500),
    ],
)
def test_every_error_has_a_status(error, status):
    assert envelope.status_of(error) == status


def test_every_refusal_has_a_status_of_its_own_making():
    refusals = errors.Refused.__subclasses__()
    assert refusals
    assert [kind for kind in refusals if not 400 <= envelope.status_of(kind("no")) < 500] == []


@pytest.mark.parametrize("error", [RuntimeError("the secret is 42"), errors.StoreError("the secret is 42")])
def test_the_servers_own_failure_says_nothing_but_where_to_look(error):
    problem = envelope.problem_of(error, "abc123")
    assert (problem.code, problem.message, problem.trace) == (10001, "internal error", None)
    assert problem.hint is not None
    assert "abc123" in problem.hint
    assert "42" not in problem.hint


def test_a_refusal_keeps_its_number_its_sentence_and_its_hint():
    problem = envelope.problem_of(errors.InstanceExists("there is one", hint="take another id"), "abc")
    assert problem == Problem(code=10405, message="there is one", hint="take another id")


def test_code_that_does_not_load_comes_with_its_traceback():
    broken = errors.LoadError("no import", trace="Traceback ...", file="src/worker.py", line=3)
    problem = envelope.problem_of(broken, "abc")
    assert problem == Problem(
        code=10021, message="no import", trace="Traceback ...", file="src/worker.py", line=3
    )


def test_a_value_that_cannot_be_kept_is_told_as_such():
    problem = envelope.problem_of(errors.UnserializableError("value[0]: no"), "abc")
    assert (problem.code, problem.message) == (10026, "value[0]: no")

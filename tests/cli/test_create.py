from __future__ import annotations

import json

TOKENS = "/accounts/local/tokens"
MADE = {
    "id": "t1",
    "name": "ci",
    "scope": "deploy",
    "created_on": "2026-11-22T12:00:00.000Z",
    "token": "wf_t1_x",
}


def test_a_token_alone_is_on_stdout(wflow, logged_in):
    logged_in.gives("POST", TOKENS, MADE)
    ran = wflow("runner", "token", "create", "ci")
    assert (ran.code, ran.out) == (0, "wf_t1_x\n")
    assert "not shown again" in ran.err
    assert logged_in.asked[-1].json == {"name": "ci", "scope": "deploy"}


def test_a_token_for_a_program_is_the_apis_answer(wflow, logged_in):
    logged_in.gives("POST", TOKENS, MADE)
    ran = wflow("runner", "token", "create", "ci", "--scope", "read", "--json")
    assert json.loads(ran.out) == MADE
    assert logged_in.asked[-1].json == {"name": "ci", "scope": "read"}


def test_an_unknown_scope_is_refused_with_the_ones_there_are(wflow, logged_in):
    ran = wflow("runner", "token", "create", "ci", "--scope", "root")
    assert (ran.code, logged_in.asked) == (1, [])
    assert "`root` is not one of `read`, `deploy`, `admin`" in ran.err


def test_a_token_that_may_not_make_others_is_refused_in_the_runners_words(wflow, logged_in):
    logged_in.refuses("POST", TOKENS, 403, code=9109, message="this needs admin")
    ran = wflow("runner", "token", "create", "ci")
    assert (ran.code, ran.out, ran.err) == (1, "", ran.err)
    assert ran.err.startswith("error: this needs admin")

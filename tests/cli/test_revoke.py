from __future__ import annotations


def test_a_token_is_revoked(wflow, logged_in):
    logged_in.gives("DELETE", "/accounts/local/tokens/ci", {"id": "t1", "name": "ci"})
    ran = wflow("runner", "token", "revoke", "ci")
    assert (ran.code, ran.out, ran.err) == (0, "", "Token `ci` is revoked.\n")


def test_a_token_that_is_not_there_is_an_error(wflow, logged_in):
    logged_in.refuses(
        "DELETE", "/accounts/local/tokens/ci", 400, code=10026, message="there is no token 'ci'"
    )
    ran = wflow("runner", "token", "revoke", "ci")
    assert (ran.code, ran.err) == (1, "error: there is no token 'ci'\n")

from __future__ import annotations

EVENTS = "/accounts/local/workflows/shop/instances/latest/events/paid"
SEND = ("workflows", "instances", "send-event", "shop", "latest")


def test_an_event_is_sent_with_its_payload(wflow, logged_in):
    logged_in.gives("POST", EVENTS, {})
    ran = wflow(*SEND, "--type", "paid", "--payload", '{"amount": 12}')
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith('The event with type "paid" and payload "{"amount": 12}" was sent to the ')
    assert ran.out.endswith(' instance "latest" from shop\n')
    assert logged_in.asked[-1].json == {"amount": 12}


def test_a_payload_that_is_no_json_is_not_sent(wflow, logged_in):
    ran = wflow(*SEND, "--type", "paid", "--payload", "twelve")
    assert (ran.code, logged_in.asked) == (1, [])
    assert "cannot read the payload as JSON" in ran.err


def test_an_event_must_have_a_type(wflow, logged_in):
    ran = wflow(*SEND)
    assert (ran.code, logged_in.asked) == (1, [])
    assert "`--type`" in ran.err

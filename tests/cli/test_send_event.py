from __future__ import annotations

import json

EVENTS = "/accounts/local/workflows/shop/instances/latest/events/paid"
SENT = {"instanceId": "order-1", "timestamp": "2026-11-22T12:00:00.000Z"}
SEND = ("workflows", "instances", "send-event", "shop", "latest")


def test_an_event_is_sent_with_its_payload(wflow, logged_in):
    logged_in.gives("POST", EVENTS, SENT)
    ran = wflow(*SEND, "--type", "paid", "--payload", '{"amount": 12}')
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith('The event with type "paid" and payload "{"amount": 12}" was sent to the ')
    assert ran.out.endswith(' instance "order-1" from shop\n')
    assert logged_in.asked[-1].json == {"amount": 12}
    assert json.loads(wflow(*SEND, "--type", "paid", "--json").out) == SENT


def test_a_payload_that_is_no_json_is_not_sent(wflow, logged_in):
    ran = wflow(*SEND, "--type", "paid", "--payload", "twelve")
    assert (ran.code, logged_in.asked) == (1, [])
    assert "cannot read the payload as JSON" in ran.err


def test_an_event_must_have_a_type(wflow, logged_in):
    ran = wflow(*SEND)
    assert (ran.code, logged_in.asked) == (1, [])
    assert "`--type`" in ran.err

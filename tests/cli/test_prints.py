from __future__ import annotations

import io
import logging

from wflow.cli.prints import Prints


def test_what_keeps_hold_of_it_is_heard_while_that_is_wanted():
    talk = io.StringIO()
    prints = Prints(talk)
    handler = logging.StreamHandler(prints)
    handler.handle(logging.makeLogRecord({"msg": "one"}))
    prints.heard = False
    handler.handle(logging.makeLogRecord({"msg": "two"}))
    assert prints.write("three") == 5
    prints.heard = True
    print("four", file=prints)
    assert prints.writable()
    assert talk.getvalue() == "one\nfour\n"

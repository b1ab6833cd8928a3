from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest

from wflow.cli.interrupted import Interrupts

BLOCKS = """
import os
from wflow.cli.interrupted import Interrupts
with Interrupts().ending():
    while True:
        try:
            print("blocks", flush=True)
            while True:
                pass
        except BaseException:
            print("caught", flush=True)
"""


def test_code_that_blocks_and_catches_all_is_ended():
    with subprocess.Popen([sys.executable, "-c", BLOCKS], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "blocks\n"
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""
        assert process.wait() == 130


def test_whoever_talks_with_the_person_hears_of_it():
    interrupts = Interrupts()
    before = signal.getsignal(signal.SIGINT)
    with interrupts.ending(), pytest.raises(KeyboardInterrupt), interrupts.talking():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_than_the_main_one_changes_nothing():
    found = []

    def look():
        with Interrupts().ending():
            found.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [before]

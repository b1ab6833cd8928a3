"""Sealed bytes, and the key that opens them."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.errors import UsageError
from wflow.runner.sealing import FILE, KEY, KEYS, Sealing

ONE, TWO = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))


def given_keys(*keys):
    return {KEY: "\n".join(keys)}


def test_a_text_comes_back_and_is_nowhere_in_what_is_sealed(tmp_path):
    sealing = Sealing(tmp_path, {})
    sealed = sealing.seal("hunter2 is secret", "shop/KEY")
    assert b"hunter2" not in sealed
    assert Sealing(tmp_path, {}).open(sealed, "shop/KEY") == "hunter2 is secret"
    assert sealing.seal("hunter2 is secret", "shop/KEY") != sealed, "a nonce of its own each time"


@given(st.text())
def test_any_text_comes_back(text):
    sealing = sealing_of(ONE)
    assert sealing.open(sealing.seal(text, "a/B"), "a/B") == text


def sealing_of(*keys):
    return Sealing(Path("/nowhere"), given_keys(*keys))


def test_the_key_is_made_once_and_only_its_owner_may_read_it(tmp_path):
    folder = tmp_path / "data"
    sealing = Sealing(folder, {})
    assert not sealing.has_key
    sealing.check()
    assert not folder.exists(), "who has no secrets has no key"
    sealing.seal("x", "a/B")
    key = folder / FILE
    before = key.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    Sealing(folder, {}).seal("y", "a/B")
    assert key.read_bytes() == before
    assert list(folder.iterdir()) == [key], "no drafts"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_may_read_is_refused(tmp_path, mode):
    sealed = Sealing(tmp_path, {}).seal("x", "a/B")
    (tmp_path / FILE).chmod(mode)
    for use in (
        lambda: Sealing(tmp_path, {}).open(sealed, "a/B"),
        lambda: Sealing(tmp_path, {}).seal("y", "a/B"),
        lambda: Sealing(tmp_path, {}).check(),
    ):
        with pytest.raises(UsageError, match=f"may be read by others .mode {mode:04o}") as refused:
            use()
        assert refused.value.hint == f"chmod 600 {tmp_path / FILE}"


def test_a_key_from_the_environment_needs_no_file(tmp_path):
    sealing = Sealing(tmp_path / "none", given_keys(ONE))
    assert sealing.has_key
    assert sealing.open(sealing.seal("x", "a/B"), "a/B") == "x"
    assert not (tmp_path / "none").exists()


def test_an_older_key_opens_and_the_first_one_seals():
    old = sealing_of(ONE).seal("x", "a/B")
    both = sealing_of(TWO, "# the one before", ONE)
    assert both.open(old, "a/B") == "x"
    assert not both.is_current(old)
    new = both.seal("x", "a/B")
    assert both.is_current(new)
    assert sealing_of(TWO).open(new, "a/B") == "x"


def test_another_key_is_told_and_nothing_of_the_text(tmp_path):
    sealed = sealing_of(ONE).seal("hunter2", "a/B")
    with pytest.raises(UsageError, match=f"sealed with a key that {KEY} does not have"):
        sealing_of(TWO).open(sealed, "a/B")
    Sealing(tmp_path, {}).seal("other", "a/B")
    with pytest.raises(UsageError, match=r"secrets\.key does not have"):
        Sealing(tmp_path, {}).open(sealed, "a/B")


def test_a_key_that_is_gone_is_told_and_not_made_anew(tmp_path):
    sealed = sealing_of(ONE).seal("x", "a/B")
    with pytest.raises(UsageError, match="the key of the secrets is gone"):
        Sealing(tmp_path, {}).open(sealed, "a/B")
    assert not (tmp_path / FILE).exists()


@given(st.data())
def test_whatever_is_changed_or_moved_does_not_open(data):
    sealing = sealing_of(ONE)
    sealed = bytearray(sealing.seal("hunter2", "a/B"))
    place = "a/B"
    if data.draw(st.booleans()):
        place = data.draw(st.text().filter(lambda text: text != "a/B"))
    else:
        at = data.draw(st.integers(0, len(sealed) - 1))
        sealed[at] ^= data.draw(st.integers(1, 255))
    with pytest.raises(UsageError):
        sealing.open(bytes(sealed), place)


@pytest.mark.parametrize("length", [0, 1, 5, 17, 20])
def test_what_is_too_short_does_not_open(length):
    sealed = sealing_of(ONE).seal("x", "a/B")
    with pytest.raises(UsageError):
        sealing_of(ONE).open(sealed[:length], "a/B")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("short", "is no key of 32 bytes"),
        (base64.b64encode(b"x" * 31).decode(), "is no key of 32 bytes"),
        ("# nothing", "has 0 keys"),
        ("\n".join([ONE] * (KEYS + 1)), f"has {KEYS + 1} keys"),
    ],
)
def test_keys_that_make_no_sense_are_told_without_showing_them(tmp_path, text, told):
    (tmp_path / FILE).write_text(text)
    (tmp_path / FILE).chmod(0o600)
    for sealing in (Sealing(tmp_path, {}), Sealing(tmp_path, {KEY: text})):
        with pytest.raises(UsageError, match=told) as refused:
            sealing.check()
        assert "short" not in refused.value.message


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot (make|read) "):
        Sealing(tmp_path / "file" / "below", {}).seal("x", "a/B")

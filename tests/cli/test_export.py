from __future__ import annotations

import pytest

HISTORY = "/accounts/local/workflows/shop/instances/order-1/history"
EXPORT = ("workflows", "instances", "export", "shop", "order-1")
RAW = b'{\n "format": 1\n}\n'


@pytest.fixture
def there(logged_in):
    logged_in.answers["GET", HISTORY] = (200, RAW)
    return logged_in


def test_a_history_is_printed_as_it_is(wflow, there):
    ran = wflow(*EXPORT)
    assert (ran.code, ran.out, ran.err) == (0, RAW.decode(), "")
    assert there.asked[-1].query == {}


def test_what_is_to_be_taken_out_is_asked_for(wflow, there):
    assert wflow(*EXPORT, "--redact", "--redact-key", "card", "--with-sensitive").code == 0
    assert there.asked[-1].query == {"redact": "true", "redact_key": "card", "with_sensitive": "true"}


def test_a_file_is_written_that_only_its_owner_reads(wflow, there, tmp_path):
    file = tmp_path / "order-1.json"
    ran = wflow(*EXPORT, "--output", str(file))
    assert (ran.code, ran.out) == (0, "")
    assert f"`wflow replay {file}`" in ran.err
    assert file.read_bytes() == RAW
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_history_that_breaks_off_leaves_the_old_file(wflow, there, tmp_path):
    file = tmp_path / "order-1.json"
    file.write_text("old")
    there.answers["GET", HISTORY] = (200, RAW[:-2])
    ran = wflow(*EXPORT, "-o", str(file))
    assert ran.code == 1
    assert "broke off in the middle of a history" in ran.err
    assert file.read_text() == "old"
    assert list(tmp_path.glob(".order*")) == []


def test_where_no_file_can_be_written_is_told(wflow, there, tmp_path):
    ran = wflow(*EXPORT, "-o", str(tmp_path / "nowhere" / "order-1.json"))
    assert ran.code == 1
    assert "cannot write" in ran.err


def test_an_instance_that_is_not_there_is_told(wflow, logged_in):
    logged_in.refuses("GET", HISTORY, 404, code=10400, message="instance.not_found: no order-1")
    ran = wflow(*EXPORT)
    assert ran.code == 1
    assert "no order-1" in ran.err

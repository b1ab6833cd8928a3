from __future__ import annotations

import pytest

from tests.cli.shop import version
from wflow.cli.splitting import Spec, parse, resolve
from wflow.errors import UsageError

FOUND = [version(3, tag="twin"), version(2, tag="twin"), version(1, tag="v@1")]


def shares(*texts):
    return [(one["number"], share) for one, share in resolve([parse(text) for text in texts], FOUND)]


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("7", Spec(text="7", percentage=None)),
        ("7@90", Spec(text="7", percentage=90)),
        ("7@12.5%", Spec(text="7", percentage=12.5)),
        (" 0f2e @ 5", Spec(text="0f2e", percentage=5)),
    ],
)
def test_a_version_is_named_with_or_without_its_share(text, spec):
    assert parse(text) == spec


@pytest.mark.parametrize("text", ["7@", "7@x", "7@-1", "7@1e2", "7@9999", "@90", "", "7@90@"])
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(UsageError, match="names no") as refused:
        parse(text)
    assert refused.value.hint is not None


def test_a_tag_may_have_an_at_of_its_own():
    assert parse("v@x", by_tag=True) == Spec(text="v@x", percentage=None, by_tag=True)
    assert parse("v@x@10", by_tag=True) == Spec(text="v@x", percentage=10, by_tag=True)
    ((found, share),) = resolve([Spec(text="v@1", percentage=None, by_tag=True)], FOUND)
    assert (found["number"], share) == (1, 100)


def test_what_has_no_share_gets_what_is_left():
    assert shares("3") == [(3, 100)]
    assert shares("3@10", "2") == [(3, 10), (2, 90)]
    assert shares("3", "2") == [(3, 50), (2, 50)]
    assert shares("3@33.333", "2@66.667") == [(3, 33.333), (2, 66.667)]


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        (("3@90",), "the shares make 90% together"),
        (("3@90", "2@20"), "the shares make 110% together"),
        (("3@100", "2"), "100% is given away already"),
        (("3@100", "2@0"), "a share is more than 0%"),
        (("3", "33cc"), "is named twice"),
        (("3", "2", "1"), "3 versions are named; 2 can be live at once"),
        (("9",), "`9` is no version"),
    ],
)
def test_shares_that_make_no_sense_are_refused(texts, told):
    with pytest.raises(UsageError, match=told):
        shares(*texts)


def test_a_tag_of_no_version_or_of_two_is_refused():
    with pytest.raises(UsageError, match="no version has the tag `v9`") as refused:
        resolve([parse("v9", by_tag=True)], FOUND)
    assert refused.value.hint == "there are twin, v@1"
    with pytest.raises(UsageError, match="that of more than one version") as refused:
        resolve([parse("twin", by_tag=True)], FOUND)
    assert "(number 3)" in str(refused.value.hint)

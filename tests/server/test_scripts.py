"""`/workers/scripts`: what is deployed."""

from __future__ import annotations

import json
import logging

import pytest

from tests.server.small_host import problem, result
from wflow.errors import BundleError, LoadError, StoreError
from wflow.server import bundles

GZIP = "application/gzip"


def deploy(house, bundle=b"\x1f\x8b\x00\xff", *, name="shop", metadata=None):
    told = {"digest": "sha256:abc", "message": "first"} if metadata is None else metadata
    files = {
        "metadata": (None, json.dumps(told).encode(), "application/json"),
        "bundle": ("bundle.tar.gz", bundle, GZIP),
    }
    return house.api("PUT", f"/workers/scripts/{name}", files=files)


def test_a_bundle_arrives_byte_for_byte_and_becomes_a_version(house):
    taken = []
    kept = house.host.deploy

    async def take(worker, bundle, **more):
        taken.append(bundle)
        return await kept(worker, bundle, **more)

    house.host.deploy = take
    bundle = bytes(range(256)) * 8_192
    version = result(deploy(house, bundle))
    assert taken == [bundle]
    assert version == {
        "id": "id-1",
        "number": 1,
        "metadata": {
            "author_email": "local",
            "author_id": "local",
            "created_on": "2026-11-22T12:00:01.000Z",
            "modified_on": "2026-11-22T12:00:01.000Z",
            "source": "api",
            "hasPreview": False,
        },
        "annotations": {"workers/message": "first", "workers/triggered_by": "upload"},
        "script_name": "shop",
        "digest": "sha256:abc",
        "message": "first",
        "tag": "",
        "author": "local",
        "created_on": "2026-11-22T12:00:01.000Z",
        "size_bytes": len(bundle),
        "workflows": ["orders"],
    }


def test_workers_are_listed_with_what_is_live(house):
    for name in ("shop", "blog", "shop"):
        result(deploy(house, name=name))
    listed = house.get("/workers/scripts")
    assert [(one["id"], one["version_id"]) for one in listed] == [("blog", "id-2"), ("shop", "id-3")]
    live = house.get("/workers/scripts/shop/deployments")["deployments"][0]
    assert live["versions"] == [{"version_id": "id-3", "percentage": 100}]
    assert live["annotations"] == {"workers/message": "first", "workers/triggered_by": "upload"}


def test_what_is_said_of_a_version_may_be_said_in_annotations(house):
    said = {
        "digest": "d",
        "annotations": {"workers/message": "why", "workers/tag": "v1", "workers/alias": "x"},
    }
    version = result(deploy(house, metadata=said))
    assert (version["message"], version["tag"]) == ("why", "v1")
    assert version["annotations"]["workers/tag"] == "v1"


def test_code_that_does_not_import_is_refused_with_its_traceback(house):
    house.host.refuses = LoadError(
        "no module named x", trace="Traceback\n  line", file="src/worker.py", line=3
    )
    answer = deploy(house)
    assert problem(answer) == (400, 10021, "no module named x")
    (error,) = answer.json()["errors"]
    assert (error["trace"], error["file"], error["line"]) == ("Traceback\n  line", "src/worker.py", 3)


def test_a_bundle_that_is_refused_says_why(house):
    house.host.refuses = BundleError("the bundle has a link", hint="remove it")
    answer = deploy(house)
    assert problem(answer) == (400, 10021, "the bundle has a link")
    assert answer.json()["errors"][0]["hint"] == "remove it"


def test_a_failure_of_ours_is_not_told(house, caplog):
    house.host.refuses = StoreError("disk full")
    with caplog.at_level(logging.ERROR):
        assert problem(deploy(house)) == (500, 10001, "internal error")


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        {},
        {"digest": 1},
        {"digest": "x", "message": None},
        {"digest": "x", "message": "m" * 1_001},
        {"digest": "x", "tag": "t" * 101},
        {"digest": "x", "annotations": {"workers/message": "m" * 1_001}},
        {"digest": "x", "annotations": []},
    ],
)
def test_metadata_that_is_malformed_deploys_nothing(house, metadata):
    assert problem(deploy(house, metadata=metadata))[:2] == (400, 10026)
    assert house.host.deployed == []


@pytest.mark.parametrize("names", [[], ["metadata"], ["bundle"], ["metadata", "bundle", "more"]])
def test_a_form_has_two_parts(house, names):
    files = {name: (name, b'{"digest": "x"}', GZIP) for name in names} or {"": ("", b"", GZIP)}
    assert problem(house.api("PUT", "/workers/scripts/shop", files=files))[:2] == (400, 10026)
    assert house.host.deployed == []


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", ""])
def test_what_is_no_form_deploys_nothing(house, kind):
    answer = house.api("PUT", "/workers/scripts/shop", content=b"metadata=1", headers={"content-type": kind})
    assert problem(answer)[:2] == (400, 10026)


def test_a_form_in_a_charset_that_does_not_fit_is_refused(house):
    body = b'--b\r\ncontent-disposition: form-data; name="metadata"\r\n\r\n' + b"\xff" * 80 + b"\r\n--b--\r\n"
    headers = {"content-type": "multipart/form-data; boundary=b; charset=idna"}
    assert problem(house.api("PUT", "/workers/scripts/shop", content=body, headers=headers))[:2] == (
        400,
        10026,
    )


def test_a_bundle_that_is_too_large_is_refused_whether_it_says_its_length_or_not(house, monkeypatch):
    monkeypatch.setattr(bundles, "FORM_BYTES", 10_000)
    assert problem(deploy(house, b"x" * 10_000))[:2] == (413, 10413)

    async def endless():
        yield b'--b\r\ncontent-disposition: form-data; name="bundle"; filename="b"\r\n\r\n'
        while True:
            yield b"x" * 1_000

    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = house.api("PUT", "/workers/scripts/shop", content=endless(), headers=headers)
    assert problem(answer)[:2] == (413, 10413)
    assert house.host.deployed == []


def test_a_field_that_is_no_file_is_short(house):
    files = {"metadata": (None, b"x" * 70_000), "bundle": ("b", b"", GZIP)}
    status, _, message = problem(house.api("PUT", "/workers/scripts/shop", files=files))
    assert status == 400
    assert "64KB" in message

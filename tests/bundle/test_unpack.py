from __future__ import annotations

import gzip
import hashlib
import io
import resource
import tarfile
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.bundle import archive, limits, manifest
from wflow.bundle.manifest import Manifest
from wflow.bundle.pack import pack
from wflow.bundle.unpack import check, read_manifest, unpack
from wflow.errors import BundleError

SOURCES = {"src/worker.py": b"print(1)\n", "data/hé.txt": b"x" * 700}


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def described(files=SOURCES, **fields):
    given_fields = {
        "name": "shop",
        "main": "src/worker.py",
        "python": "3.11",
        "wflow": "0.1.0",
        "compatibility_date": None,
        "workflows": (),
        "kv": (),
        "vars": {},
        "files": {name: sha256(content) for name, content in files.items()},
    }
    return Manifest(**{**given_fields, **fields})


def bundle(says=None, entries=None):
    """Make a bundle by hand: any manifest (or its bytes) and any entries."""
    raw = manifest.encode(described()) if says is None else says
    raw = manifest.encode(raw) if isinstance(raw, Manifest) else raw
    if entries is None:
        entries = [(f"files/{name}", content) for name, content in SOURCES.items()]
    return archive.write([("manifest.json", raw), *entries])


def tar(*members):
    """Make a compressed tar of what the standard library lets one put into it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.GNU_FORMAT) as made:
        for name, kind, content, link in members:
            header = tarfile.TarInfo(name)
            header.type, header.size, header.linkname = kind, len(content), link
            made.addfile(header, io.BytesIO(content))
    return out.getvalue()


def tree(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def refused(data, why, tmp_path, **options):
    with pytest.raises(BundleError) as found:
        unpack(data, tmp_path / "v1", **options)
    assert why in found.value.message
    assert list(tmp_path.iterdir()) == []


def test_what_is_packed_comes_out_the_same(project, tmp_path):
    made = project({"a/b/c.txt": "1", "é.bin": b"\0\xff", "empty": ""})
    packed = pack(made)
    found = unpack(packed.data, tmp_path / "v1", expected=packed.manifest.digest)
    assert found == packed.manifest
    assert tree(tmp_path / "v1") == tree(made.root)


def test_what_comes_out_packs_to_the_same_bytes(project, tmp_path):
    made = project({"a.txt": "1", ".gitignore": "*.log"})
    packed = pack(made)
    unpack(packed.data, tmp_path / "v1")
    assert pack(replace(made, root=tmp_path / "v1")).data == packed.data


def test_the_folder_around_it_is_made(tmp_path):
    unpack(bundle(), tmp_path / "versions" / "v1")
    assert tree(tmp_path / "versions" / "v1") == SOURCES
    assert [path.name for path in (tmp_path / "versions").iterdir()] == ["v1"]


def test_files_come_out_without_the_right_to_run_and_with_nothing_else_around(tmp_path):
    unpack(bundle(), tmp_path / "v1")
    assert not (tmp_path / "v1" / "src" / "worker.py").stat().st_mode & 0o111
    assert [path.name for path in tmp_path.iterdir()] == ["v1"]


def test_a_place_that_is_taken_stays_as_it_is(tmp_path):
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / "mine").write_text("x")
    with pytest.raises(BundleError, match="exists already"):
        unpack(bundle(), tmp_path / "v1")
    assert tree(tmp_path) == {"v1/mine": b"x"}


def test_a_place_that_is_a_dangling_link_stays_as_it_is(tmp_path):
    (tmp_path / "v1").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(BundleError, match="exists already"):
        unpack(bundle(), tmp_path / "v1")
    assert not (tmp_path / "elsewhere").exists()


def test_when_the_disk_refuses_half_way_nothing_remains(tmp_path):
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            unpack(bundle(), tmp_path / "v1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert list(tmp_path.iterdir()) == []


def test_the_digest_that_is_expected_is_taken(tmp_path):
    assert unpack(bundle(), tmp_path / "v1", expected=described().digest) == described()


@pytest.mark.parametrize("expected", ["sha256:" + "0" * 64, "", "é", described().digest.upper()])
def test_another_digest_than_the_expected_is_refused(tmp_path, expected):
    refused(bundle(), "the bundle's digest is sha256:", tmp_path, expected=expected)


@pytest.mark.parametrize(
    "path",
    [
        "../evil.py",
        "a/../../evil.py",
        "/etc/evil.py",
        "C:/evil.py",
        "c:evil.py",
        "a\\evil.py",
        "\\\\host\\evil",
        "a\0b",
        *["a\nb", "a\x1b[2Jb", "a//b", "./a", "a/.", "", "..", "e\u0301", "x/" * 40 + "y", "a" * 300],
    ],
)
def test_a_path_that_is_not_plain_is_refused_in_the_manifest_and_beside_it(tmp_path, path):
    files = {**SOURCES, path: b"x"}
    entries = [(f"files/{name}", content) for name, content in files.items()]
    refused(bundle(described(files), entries), "a file cannot be called", tmp_path)
    refused(bundle(None, entries), "not in its manifest", tmp_path)


@pytest.mark.parametrize(
    "name", ["../evil.py", "/etc/evil.py", "evil.py", "files/../evil.py", "files", "src/worker.py"]
)
def test_an_entry_outside_of_the_files_is_refused(tmp_path, name):
    refused(bundle(entries=[(name, SOURCES["src/worker.py"])]), "not in its manifest", tmp_path)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a named pipe"),
        (tarfile.DIRTYPE, "a folder"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
    ],
)
def test_what_is_no_plain_file_is_refused(tmp_path, kind, why):
    raw = manifest.encode(described())
    data = tar(("manifest.json", tarfile.REGTYPE, raw, ""), ("files/src/worker.py", kind, b"", "/etc/passwd"))
    refused(data, f"'files/src/worker.py' is {why}", tmp_path)


def test_a_linked_manifest_is_refused(tmp_path):
    refused(tar(("manifest.json", tarfile.SYMTYPE, b"", "/etc/passwd")), "a symbolic link", tmp_path)


def test_a_bundle_with_extended_headers_is_refused(tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", format=tarfile.PAX_FORMAT) as made:
        made.addfile(tarfile.TarInfo("manifest-é.json"))
    refused(out.getvalue(), "an entry of type b'x'", tmp_path)


def test_a_file_twice_is_refused(tmp_path):
    entry = ("files/src/worker.py", SOURCES["src/worker.py"])
    refused(bundle(entries=[entry, entry]), "'src/worker.py' is in the bundle twice", tmp_path)


@pytest.mark.parametrize("twin", ["SRC/worker.py", "src/WORKER.py", "src", "src/worker.py/x"])
def test_two_names_that_are_one_where_case_is_ignored_are_refused(tmp_path, twin):
    files = {**SOURCES, twin: b"x"}
    entries = [(f"files/{name}", content) for name, content in files.items()]
    refused(bundle(described(files), entries), "are one name", tmp_path)


def test_a_file_that_the_manifest_does_not_name_is_refused(tmp_path):
    entries = [*((f"files/{name}", content) for name, content in SOURCES.items()), ("files/extra.py", b"")]
    refused(bundle(entries=entries), "'files/extra.py' is in the bundle, but not in its manifest", tmp_path)


def test_a_second_manifest_is_refused(tmp_path):
    entries = [("manifest.json", manifest.encode(described()))]
    refused(bundle(entries=entries), "'manifest.json' is in the bundle, but not in its manifest", tmp_path)


def test_a_file_that_only_the_manifest_has_is_refused(tmp_path):
    entries = [("files/src/worker.py", SOURCES["src/worker.py"])]
    refused(bundle(entries=entries), "'data/hé.txt' is in the manifest, but not in the bundle", tmp_path)


def test_a_file_with_another_content_is_refused(tmp_path):
    entries = [(f"files/{name}", content + b"!") for name, content in SOURCES.items()]
    refused(bundle(entries=entries), "'src/worker.py' is not what the manifest says", tmp_path)


def test_a_main_that_is_not_among_the_files_is_refused(tmp_path):
    refused(bundle(described(main="src/other.py")), "`main` is 'src/other.py', which is not among", tmp_path)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is damaged"),
        (b"hello", "is damaged"),
        (bundle()[:-1], "is damaged"),
        (bundle()[:40], "is damaged"),
        (bundle() + b"\0", "is damaged"),
        (gzip.compress(b"", mtime=0), "is damaged"),
        (gzip.compress(bytes(1024), mtime=0), "does not begin with manifest.json"),
        (archive.write([]), "does not begin with manifest.json"),
        (archive.write([("files/a", b"")]), "does not begin with manifest.json"),
        (bundle(b"{}"), "the manifest makes no sense"),
        (bundle(b'{"format":9}'), "has format 9"),
        (bundle(b"[" * 100_000), "the manifest makes no sense"),
        (bundle(b" " * (limits.MANIFEST_BYTES + 1)), "the manifest has 8,388,609 bytes"),
        (bytes(limits.PACKED_BYTES + 1), "67,108,865 bytes"),
    ],
)
def test_what_is_no_bundle_is_refused(tmp_path, data, why):
    refused(data, why, tmp_path)


def test_a_bomb_is_refused(tmp_path):
    noughts = bytes(limits.FILE_BYTES)
    header = tarfile.TarInfo("files/a")
    header.size = len(noughts)
    raw = manifest.encode(described({**SOURCES, "a": noughts}))
    start = gzip.decompress(bundle(raw, []))[: 512 + len(raw) + -len(raw) % 512]
    bomb = start + (header.tobuf(tarfile.GNU_FORMAT) + noughts) * 3 + bytes(1024)
    # Two of three would be refused as twins: the first alone is followed by nothing but noughts.
    bomb_of_one = start + header.tobuf(tarfile.GNU_FORMAT) + noughts * 3
    refused(gzip.compress(bomb, 1, mtime=0), "in the bundle twice", tmp_path)
    refused(gzip.compress(bomb_of_one, 1, mtime=0), "unpacks to more than 64.0 MiB", tmp_path)


def test_a_bundle_can_be_judged_without_writing_it():
    assert check(bundle(), expected=described().digest) == described()
    with pytest.raises(BundleError, match="not in its manifest"):
        check(bundle(entries=[("files/x", b"")]))


def test_the_manifest_can_be_read_without_the_files():
    assert read_manifest(bundle(entries=[("files/x", b"")])) == described()


@given(st.binary(max_size=600))
def test_random_bytes_are_refused_whatever_is_around_them(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("random")
    raw = manifest.encode(described())
    start = gzip.decompress(bundle(raw, []))[: 512 + len(raw) + -len(raw) % 512]
    for given_data in (data, gzip.compress(data), gzip.compress(start + data)):
        refused(given_data, "", folder)


GOOD = bundle()
GOOD_TAR = gzip.decompress(GOOD)
change = st.tuples(st.integers(0, 20_000), st.integers(0, 40), st.binary(max_size=40))


@given(st.lists(change, min_size=1, max_size=3), st.booleans())
def test_a_changed_bundle_is_refused_or_gives_the_same_tree(tmp_path_factory, changes, inside):
    folder = tmp_path_factory.mktemp("changed")
    data = GOOD_TAR if inside else GOOD
    for at, cut, new in changes:
        start = at % len(data)
        data = data[:start] + new + data[start + cut :]
    try:
        unpack(gzip.compress(data) if inside else data, folder / "v1", expected=described().digest)
    except BundleError:
        assert list(folder.iterdir()) == []
        return
    assert tree(folder) == {f"v1/{name}": content for name, content in SOURCES.items()}

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wflow.bundle import archive, limits
from wflow.errors import BundleError

MIB = 1024 * 1024


def zipped(raw, level=9):
    """Compress; without the time, which would be in the names of the tests."""
    return gzip.compress(raw, level, mtime=0)


def tar(*entries, end=True):
    """Make a tar by hand, of headers and contents."""
    raw = b""
    for header, content in entries:
        raw += header.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)
    return raw + bytes(1024 if end else 0)


def header(name="files/a", *, size=0, kind=tarfile.REGTYPE, **fields):
    made = tarfile.TarInfo(name)
    made.size, made.type = size, kind
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def refused(data, why):
    with pytest.raises(BundleError) as found:
        list(archive.read(data))
    assert why in found.value.message


def test_what_is_written_comes_back_in_order():
    entries = [("b", b"1"), ("a/" + "x" * 200, b""), ("é/" + "日" * 80, b"z" * 1000)]
    assert list(archive.read(archive.write(entries))) == entries


def test_the_same_entries_give_the_same_bytes_with_nothing_of_this_machine_in_them():
    data = archive.write([("a", b"1")])
    assert data == archive.write([("a", b"1")])
    assert data[:10] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    with tarfile.open(fileobj=io.BytesIO(data)) as found:
        (member,) = found.getmembers()
    assert (member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode) == (
        0,
        0,
        0,
        "",
        "",
        0o644,
    )


def test_another_program_can_read_it():
    with tarfile.open(fileobj=io.BytesIO(archive.write([("日" * 60, b"1")]))) as found:
        assert found.getnames() == ["日" * 60]


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-zé]{1,150}(/[a-z]{1,90}){0,3}", fullmatch=True), st.binary()), max_size=5
    )
)
def test_any_entries_come_back(entries):
    assert list(archive.read(archive.write(entries))) == entries


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a named pipe"),
        (tarfile.DIRTYPE, "a folder"),
        (tarfile.GNUTYPE_SPARSE, "a sparse file"),
        (tarfile.CONTTYPE, "an entry of type b'7'"),
        (tarfile.XHDTYPE, "an entry of type b'x'"),
        (tarfile.XGLTYPE, "an entry of type b'g'"),
        (tarfile.GNUTYPE_LONGLINK, "an entry of type b'K'"),
        (tarfile.AREGTYPE, "an entry of type"),
    ],
)
def test_an_entry_that_is_no_plain_file_is_refused(kind, why):
    refused(zipped(tar((header(kind=kind, linkname="/etc/passwd"), b""))), why)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends too early"),
        (b"hello", "incorrect header"),
        (b"PK\x03\x04" + bytes(100), "incorrect header"),
        (zipped(tar())[:-1], "ends too early"),
        (zipped(tar())[:-4] + bytes(4), "incorrect length check"),
        (zipped(tar())[:-8] + bytes(4) + zipped(tar())[-4:], "incorrect data check"),
        (zipped(tar()) + b"x", "more after its end"),
        (zipped(tar()) + zipped(tar()), "more after its end"),
        (zipped(b""), "empty header"),
        (zipped(b"x" * 100), "truncated header"),
        (zipped(b"x" * 512), "invalid header"),
        (zipped(b"1" * 512), "bad checksum"),
        (zipped(tar((header(size=3), b"abc"), end=False)), "empty header"),
        (zipped(tar((header(size=1000), b""), end=False)), "middle of a file"),
        (zipped(tar((header(size=3), b"abc"), end=False)[:-1]), "middle of a file"),
        (zipped(tar() + tar((header(), b""))), "more after its end"),
        (zipped(tar((header(size=limits.FILE_BYTES + 1), b""))), "26,214,401 bytes"),
        (zipped(tar((header(size=-5), b""))), "-5 bytes"),
        (
            zipped(tar((header("L", kind=tarfile.GNUTYPE_LONGNAME, size=4), b"abc\0"), end=True)),
            "without a file",
        ),
        (
            zipped(tar((header("L", kind=tarfile.GNUTYPE_LONGNAME), b""))),
            "a name in the bundle has 0 bytes",
        ),
        (
            zipped(tar((header("L", kind=tarfile.GNUTYPE_LONGNAME, size=2_000), bytes(2_000)))),
            "2,000 bytes",
        ),
        (
            zipped(tar((header("L", kind=tarfile.GNUTYPE_LONGNAME, size=2), b"\xff\0"), (header(), b""))),
            "can't decode",
        ),
        (
            zipped(
                tar(
                    (header("L", kind=tarfile.GNUTYPE_LONGNAME, size=2), b"a\0"),
                    (header("L", kind=tarfile.GNUTYPE_LONGNAME, size=2), b"b\0"),
                )
            ),
            "an entry of type b'L'",
        ),
    ],
)
def test_damage_is_refused_with_what_is_wrong(data, why):
    refused(data, why)


def test_a_bomb_is_stopped_while_it_unpacks_whatever_its_headers_say():
    squeeze = zlib.compressobj(wbits=31)
    bomb = squeeze.compress(tar((header(size=limits.FILE_BYTES), bytes(limits.FILE_BYTES)), end=False))
    bomb += b"".join(squeeze.compress(bytes(MIB)) for _ in range(100)) + squeeze.flush()
    assert len(bomb) < MIB
    stream = archive.read(bomb)
    name, content = next(stream)
    assert (name, len(content)) == ("files/a", limits.FILE_BYTES)
    with pytest.raises(BundleError, match=r"unpacks to more than 64\.0 MiB"):
        next(stream)


def test_many_files_that_are_too_much_together_are_stopped():
    noughts = bytes(limits.FILE_BYTES)
    one = header(size=len(noughts)).tobuf(tarfile.GNU_FORMAT) + noughts
    refused(zipped(one * 3 + bytes(1024), 1), "unpacks to more than")
    with pytest.raises(BundleError, match="unpacks to more than"):
        archive.write([("a", noughts), ("b", noughts), ("c", noughts)])


def test_more_than_64_mib_compressed_are_refused_unread():
    refused(bytes(limits.PACKED_BYTES + 1), "67,108,865 bytes")


def test_what_fits_when_it_is_written_fits_when_it_is_read():
    around = 10_240 + 6 * 512
    chance = random.Random(1)
    sizes = [
        limits.FILE_BYTES,
        limits.FILE_BYTES,
        limits.UNPACKED_BYTES - 2 * limits.FILE_BYTES - 2 * 512 - around,
    ]
    entries = [
        (str(number), chance.randbytes(1000) + bytes(size - 1000)) for number, size in enumerate(sizes)
    ]
    assert [len(content) for _, content in archive.read(archive.write(entries))] == sizes
    entries[2] = ("2", entries[2][1] + b"x")
    with pytest.raises(BundleError, match="unpacks to more than"):
        archive.write(entries)


def test_names_are_read_as_they_stand():
    data = zipped(tar((header("../x"), b""), (header("a\\b"), b"")))
    assert [name for name, _ in archive.read(data)] == ["../x", "a\\b"]


@given(st.binary(max_size=2_000))
def test_random_bytes_are_refused(data):
    for given_data in (data, zipped(data), zipped(tar() + data), zipped(data + tar())):
        try:
            list(archive.read(given_data))
        except BundleError:
            continue
        assert not data.strip(b"\0")


@given(st.integers(0, 2_559), st.integers(1, 255))
def test_a_changed_byte_in_the_tar_is_refused_or_harmless(at, by):
    raw = bytearray(tar((header("files/a", size=3), b"abc"), (header("files/b", size=600), b"x" * 600)))
    raw[at] ^= by
    try:
        found = list(archive.read(zipped(raw)))
    except BundleError:
        return
    assert [name for name, _ in found] == ["files/a", "files/b"]
    assert [len(content) for _, content in found] == [3, 600]

"""The container of a bundle: a tar.gz that is the same for the same files, and is read without trust.

Written: GNU tar, entries in the order they are given, no times, owners or modes of a machine. Read: header by
header with the standard library's parser, and our own loop around it, because what `tarfile` would follow by
itself (links, sparse files, extended headers of any size) is exactly what has to be refused.
"""

from __future__ import annotations

import gzip
import io
import tarfile
import zlib
from typing import TYPE_CHECKING, Final

from wflow.bundle import limits
from wflow.bundle.paths import shown
from wflow.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK: Final = tarfile.BLOCKSIZE
_CHUNK: Final = 64 * 1024
_AROUND: Final = 6 * _BLOCK + tarfile.RECORDSIZE  # a long name, a header and padding; the end of the archive
_KINDS: Final = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a named pipe",
    tarfile.DIRTYPE: "a folder",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


def write(entries: Iterable[tuple[str, bytes]]) -> bytes:
    """Put entries (name, content) into an archive: the same entries give the same bytes.

    Raises BundleError when the archive has more than 64 MiB, headers included, before or after compression.
    """
    packed = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=packed, mtime=0) as squeezed,
        tarfile.TarFile(
            fileobj=squeezed, mode="w", format=tarfile.GNU_FORMAT, encoding="utf-8", errors="strict"
        ) as tar,
    ):
        for name, content in entries:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            if tar.offset + header.size + _AROUND > limits.UNPACKED_BYTES:
                raise too_much()
            tar.addfile(header, io.BytesIO(content))
    if packed.tell() > limits.PACKED_BYTES:
        raise _too_large(packed.tell())
    return packed.getvalue()


def read(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the entries (name, content) of an archive one by one, unpacking no more than is asked for.

    Raises BundleError for anything but plain files, for damage, for bytes after the end, and as soon as more
    than 64 MiB come out, whatever the headers say. Names and their number are not judged here.
    """
    if len(data) > limits.PACKED_BYTES:
        raise _too_large(len(data))
    try:
        yield from _entries(io.BufferedReader(_Inflated(data), _CHUNK))
    except (EOFError, zlib.error, tarfile.TarError, ValueError) as error:
        raise _damaged(str(error)) from error


def too_much() -> BundleError:
    """Say that a bundle is over the limit once it is unpacked."""
    return BundleError(
        f"the bundle unpacks to more than {limits.mib(limits.UNPACKED_BYTES)} "
        f"({limits.UNPACKED_BYTES:,} bytes, the archive's headers included)",
        hint="keep data out of it: name the files in .gitignore",
    )


def _entries(stream: io.BufferedReader) -> Iterator[tuple[str, bytes]]:
    while (header := _header(stream)) is not None:
        name = header.name
        if header.type == tarfile.GNUTYPE_LONGNAME:
            name = _long_name(stream, header)
            header = _header(stream)
            if header is None:
                raise EOFError("a name without a file")
        if header.type != tarfile.REGTYPE:
            kind = _KINDS.get(header.type, f"an entry of type {header.type!r}")
            raise BundleError(f"{shown(name)} is {kind}; a bundle holds plain files only")
        yield name, _content(stream, name, header.size)
    while rest := stream.read(_CHUNK):
        if rest.strip(b"\0"):
            raise _damaged("there is more after its end")


def _header(stream: io.BufferedReader) -> tarfile.TarInfo | None:
    block = stream.read(_BLOCK)
    if block == bytes(_BLOCK):
        return None
    # A long name stands before its header, which repeats as much of it as fits, be it half a letter.
    return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")


def _long_name(stream: io.BufferedReader, header: tarfile.TarInfo) -> str:
    if not 0 < header.size <= 2 * limits.NAME_BYTES:
        raise BundleError(f"a name in the bundle has {header.size:,} bytes")
    return _content(stream, "a name", header.size).removesuffix(b"\0").decode()


def _content(stream: io.BufferedReader, name: str, size: int) -> bytes:
    if not 0 <= size <= limits.FILE_BYTES:
        raise BundleError(
            f"{shown(name)} says it has {size:,} bytes; a file may have {limits.FILE_BYTES:,}",
        )
    content = stream.read(size)
    padding = stream.read(-size % _BLOCK)
    if len(content) + len(padding) != size + -size % _BLOCK:
        raise EOFError("it ends in the middle of a file")
    return content


class _Inflated(io.RawIOBase):
    """What a single gzip member holds; more than the limit is refused while it comes out, not afterwards."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._packed = io.BytesIO(data)
        self._zlib = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self._out = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._zlib.eof:
            fed = self._zlib.unconsumed_tail or self._packed.read(_CHUNK)
            came = self._zlib.decompress(fed, len(buffer))
            self._out += len(came)
            if self._out > limits.UNPACKED_BYTES:
                raise too_much()
            if came:
                buffer[: len(came)] = came
                return len(came)
            if not fed and not self._zlib.eof:
                raise EOFError("it ends too early")
        if self._zlib.unused_data or self._packed.read(1):
            raise _damaged("there is more after its end")
        return 0


def _too_large(size_bytes: int) -> BundleError:
    return BundleError(
        f"the bundle has {limits.mib(size_bytes)} compressed ({size_bytes:,} bytes); "
        f"the limit is {limits.mib(limits.PACKED_BYTES)} ({limits.PACKED_BYTES:,})",
        hint="keep data out of it: name the files in .gitignore",
    )


def _damaged(problem: str) -> BundleError:
    return BundleError(f"the bundle is damaged: {problem}", hint="pack it again with `wflow deploy`")

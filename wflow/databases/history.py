"""What time travel is made of: the pages that every commit changed, and copies of the whole now and then.

SQLite's write-ahead log has, for each commit, the pages that it changed. Before they are moved into the
database file, they are copied here, each as what differs from the last one of its number in the same block,
compressed. A file `log-N` has the commits after the number N, in blocks of a thousand pages; a `base-N-T` is
the database as it was at commit N, at the time T. So the state at any commit is the newest base before it, or
an empty file, with the pages of the log put in up to it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import struct
import zlib
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

import msgspec

from wflow.databases import limits
from wflow.databases.faults import D1Error
from wflow.databases.opened import PAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

BLOCK_PAGES: Final = 1_024
LOG_BYTES: Final = 16 * 1024 * 1024
"""From that size on a log file is not continued."""
BASE_BYTES: Final = 64 * 1024 * 1024
"""So much log, and as much as the database is large, before another base is made."""
_LOG: Final = re.compile(r"log-([0-9a-f]{16})")
_BASE: Final = re.compile(r"base-([0-9a-f]{16})-([0-9a-f]{16})")
_WAL_HEADER: Final = 32
_FRAME: Final = struct.Struct(">II16x")
"""Of SQLite's log: a page's number and, in the last frame of a commit, the pages of the database after it."""
_LENGTHS: Final = struct.Struct(">III")
_PAGE: Final = struct.Struct(">II")


class Gap(Exception):
    """Commits are missing: others have opened the file, or put another one in its place."""


class Base(NamedTuple):
    """A copy of the whole."""

    number: int
    at: int
    path: Path


class _Block(msgspec.Struct, frozen=True, array_like=True):
    """The head of a block: commits that are complete in it, with their times, and whether a copy ends."""

    commits: list[tuple[int, int]]
    end: bool


class History:
    """The history of one database, in a folder; for the thread that writes, but for what only reads."""

    def __init__(self, folder: Path) -> None:
        """Find out how far it goes; what a crash left half done is cut off."""
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        for stray in folder.glob("*.tmp*"):
            stray.unlink()
        self.kept = self._mend()
        self.since_base = sum(
            path.stat().st_size for start, path in self._logs() if start >= self._last_base()
        )

    # -- in --------------------------------------------------------------------------------------------------

    def take(self, wal: Path, frames: int, last: int, times: Mapping[int, int]) -> None:
        """Copy so many frames of SQLite's log, whose last commit is the number ``last``; on disk then."""
        if last <= self.kept:
            return
        with wal.open("rb") as source:
            commits = _commits(source, frames)
            first = last - len(commits) + 1
            if first > self.kept + 1:
                raise Gap
            begin = 0 if first == self.kept + 1 else commits[self.kept - first] + 1
            numbers = {frame: first + index for index, frame in enumerate(commits)}
            with _whole_or_not_at_all(self._log()) as target:
                for start in range(begin, frames, BLOCK_PAGES):
                    stop = min(start + BLOCK_PAGES, frames)
                    done = [(n, times.get(n, 0)) for f, n in numbers.items() if start <= f < stop]
                    body = zlib.compress(_differences(source, start, stop), 1)
                    head = msgspec.msgpack.encode(_Block(done, stop == frames))
                    target.write(_LENGTHS.pack(len(head), len(body), zlib.crc32(body, zlib.crc32(head))))
                    target.write(head + body)
                    self.since_base += len(body)
        _sync(self.folder)
        self.kept = last

    def begin_anew(self, last: int) -> None:
        """Forget everything up to the commit ``last``, of which a base has to be made at once."""
        for path in [*(base.path for base in self.bases()), *(path for _, path in self._logs())]:
            path.unlink()
        self.kept = last
        self.since_base = 0

    def wants_base(self, size: int) -> bool:
        """Tell whether it is time for another copy of a database of that size."""
        return self.since_base >= max(BASE_BYTES, size)

    def add_base(self, copy: Path, number: int, at: int) -> None:
        """Take a copy in, as it was at a commit, and let go of what is too old or too much."""
        copy.replace(self.folder / f"base-{number:016x}-{at:016x}")
        _sync(self.folder)
        self.since_base = 0

    def forget(self, now: int, size: int) -> None:
        """Let go of what is older than may be travelled to, and of what is too much."""
        bases = self.bases()
        old = [base for base in bases if base.at <= now - limits.KEEP_MS]
        drop = bases.index(old[-1]) if old else 0
        most = limits.HISTORY_BYTES + 4 * size
        while drop < len(bases) - 1 and self._size(bases[drop].number) > most:
            drop += 1
        if not bases or (drop == 0 and self._size(0) <= most and not old):
            return
        first = bases[drop]
        logs = self._logs()
        for (_, path), (following, _) in itertools.pairwise(logs):
            if following <= first.number:
                path.unlink()
        for base in bases[:drop]:
            base.path.unlink()

    # -- out -------------------------------------------------------------------------------------------------

    def bases(self) -> list[Base]:
        """List the copies, oldest first."""
        found = [(_BASE.fullmatch(path.name), path) for path in self.folder.iterdir()]
        return sorted(Base(int(name[1], 16), int(name[2], 16), path) for name, path in found if name)

    def earliest(self) -> int:
        """Give the number of the first commit that can be gone back to."""
        logs = self._logs()
        if logs and logs[0][0] == 0:
            return 1
        return min((base.number for base in self.bases()), default=self.kept)

    def before(self, at: int) -> int | None:
        """Give the last commit that was made at that time or earlier; None when that is out of reach."""
        found: int | None = None
        for _, path in self._logs():
            for _, block, _ in _blocks(path):
                for number, made_at in block.commits:
                    if made_at > at:
                        return found
                    found = number
        return found

    def rebuild(self, target: Path, number: int) -> None:
        """Make a file of the database as it was at a commit; raises D1Error when that is gone."""
        bases = [base for base in self.bases() if base.number <= number]
        base = bases[-1] if bases else None
        if number > self.kept or (base is None and self.earliest() != 1):
            raise D1Error("the bookmark is older than the history that is kept")
        if base is None:
            target.write_bytes(b"")
        else:
            shutil.copyfile(base.path, target)
        done = base.number if base else 0
        if done == number:
            return
        logs = self._logs()
        ends = [start for start, _ in logs[1:]] + [self.kept]
        wanted = [log for log, end in zip(logs, ends, strict=True) if log[0] < number and end > done]
        with target.open("r+b") as made:
            for start, path in wanted:
                if _replay(path, made, start, done=done, number=number):
                    break
            made.flush()
            os.fsync(made.fileno())

    # -- inside ----------------------------------------------------------------------------------------------

    def _logs(self) -> list[tuple[int, Path]]:
        found = [(_LOG.fullmatch(path.name), path) for path in self.folder.iterdir()]
        return sorted((int(name[1], 16), path) for name, path in found if name)

    def _log(self) -> Path:
        logs = self._logs()
        newest_base = self._last_base()
        if logs and logs[-1][1].stat().st_size < LOG_BYTES and not logs[-1][0] < newest_base <= self.kept:
            return logs[-1][1]
        return self.folder / f"log-{self.kept:016x}"

    def _last_base(self) -> int:
        return max((base.number for base in self.bases()), default=0)

    def _size(self, first: int) -> int:
        """Give the bytes of what is needed from a base on."""
        logs = sum(path.stat().st_size for start, path in self._logs() if start >= first)
        return logs + sum(base.path.stat().st_size for base in self.bases() if base.number >= first)

    def _mend(self) -> int:
        """Cut off what was not copied to its end, and give the last commit that is kept."""
        logs = self._logs()
        kept = self._last_base()
        if not logs:
            return kept
        start, path = logs[-1]
        good, last = 0, start
        reached = start
        for end, block, body in _blocks(path):
            # What a power cut left may have its length, and not what was written.
            if body.read() is None:
                break
            reached = max((number for number, _ in block.commits), default=reached)
            if block.end:
                good, last = end, reached
        if good < path.stat().st_size:
            with path.open("r+b") as file:
                file.truncate(good)
                os.fsync(file.fileno())
        return max(last, start)


class _Body(NamedTuple):
    """The pages of a block, where they lie."""

    file: BinaryIO
    at: int
    size: int
    head: bytes
    checked: int

    def read(self) -> bytes | None:
        """Give them as they are kept; None when they are damaged."""
        raw = os.pread(self.file.fileno(), self.size, self.at)
        return raw if zlib.crc32(raw, zlib.crc32(self.head)) == self.checked else None

    def pages(self) -> bytes:
        """Give them; raises D1Error when they are damaged."""
        raw = self.read()
        if raw is None:
            raise D1Error("the database's history is damaged")
        return zlib.decompress(raw)


def _blocks(path: Path) -> Iterator[tuple[int, _Block, _Body]]:
    """Give the blocks of a log: where each ends, its head, and its pages; up to what is no block."""
    with path.open("rb") as file:
        left = os.fstat(file.fileno()).st_size
        while len(lengths := file.read(_LENGTHS.size)) == _LENGTHS.size:
            head_size, body_size, checked = _LENGTHS.unpack(lengths)
            at = file.tell() + head_size
            end = at + body_size
            if end > left:
                return
            head = file.read(head_size)
            try:
                block = msgspec.msgpack.decode(head, type=_Block)
            except msgspec.DecodeError:
                return
            yield end, block, _Body(file, at, body_size, head, checked)
            file.seek(end)


@contextlib.contextmanager
def _whole_or_not_at_all(path: Path) -> Iterator[BinaryIO]:
    """Append to a file; it is as it was when the block fails, of a full disk say, so it may try again."""
    with path.open("ab") as target:
        size = os.fstat(target.fileno()).st_size
        try:
            yield target
            target.flush()
            os.fsync(target.fileno())
        except BaseException:
            with contextlib.suppress(OSError):
                target.close()  # what is in memory still goes the same way
            os.truncate(path, size)
            raise


def _commits(source: BinaryIO, frames: int) -> list[int]:
    """List the frames that end a commit."""
    found = []
    size = _FRAME.size + PAGE_BYTES
    for frame in range(frames):
        head = os.pread(source.fileno(), _FRAME.size, _WAL_HEADER + frame * size)
        if _FRAME.unpack(head)[1]:
            found.append(frame)
    return found


def _differences(source: BinaryIO, start: int, stop: int) -> bytes:
    size = _FRAME.size + PAGE_BYTES
    raw = os.pread(source.fileno(), (stop - start) * size, _WAL_HEADER + start * size)
    last: dict[int, bytes] = {}
    parts: list[bytes] = []
    for at in range(0, len(raw), size):
        number, pages = _FRAME.unpack_from(raw, at)
        page = raw[at + _FRAME.size : at + size]
        parts += (_PAGE.pack(number, pages), _xor(page, last.get(number)))
        last[number] = page
    return b"".join(parts)


def _replay(path: Path, made: BinaryIO, start: int, *, done: int, number: int) -> bool:
    """Put the pages in of commits after ``done`` up to ``number``; tell whether that was reached."""
    current = start + 1
    size = _PAGE.size + PAGE_BYTES
    for _, _, body in _blocks(path):
        raw = body.pages()
        last: dict[int, bytes] = {}
        for at in range(0, len(raw), size):
            page_number, pages = _PAGE.unpack_from(raw, at)
            page = _xor(raw[at + _PAGE.size : at + size], last.get(page_number))
            last[page_number] = page
            if current > done:
                os.pwrite(made.fileno(), page, (page_number - 1) * PAGE_BYTES)
            if pages:
                if current == number:
                    made.truncate(pages * PAGE_BYTES)
                    return True
                current += 1
    return False


def _xor(page: bytes, other: bytes | None) -> bytes:
    if other is None:
        return page
    return (int.from_bytes(page, "big") ^ int.from_bytes(other, "big")).to_bytes(PAGE_BYTES, "big")


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""The journal of heads: what the signer remembers, on disk before a signature leaves.

A folder's ``heads.log`` holds ``size root origin`` lines, the last one of a log counts. Several
processes may share it: each reads under a lock what others have added since it last looked, and
all of it anew where the file was replaced or written over.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from audit.notes import Head

_COMPACT_AFTER_LINES = 50_000
_TAIL_BYTES = 512

_Seen = tuple[int, int, int, int]


class HeadJournal:
    """The journal in one folder. Use it inside :meth:`locked` only, there from any thread."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._path = home / "heads.log"
        self._forget()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keep every other process and thread from the folder."""
        self._home.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._home / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def read(self) -> Mapping[str, Head]:
        """The last head of each log. What others have written meanwhile is read, no more."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._forget()
            return self._heads
        if _seen(status) != self._seen:
            with self._path.open("rb") as journal:
                self._catch_up(journal.fileno())
        return self._heads

    def add(self, heads: Sequence[Head]) -> None:
        """Write these heads; they are on disk when it returns. :meth:`read` comes before."""
        if not heads:
            return
        latest = {head.origin: head for head in heads}
        try:
            if self._lines > _COMPACT_AFTER_LINES + 2 * len(self._heads):
                self._compact({**self._heads, **latest})
            else:
                self._append(heads)
                self._heads.update(latest)
        except BaseException:
            self._forget()  # what is on disk counts, and is read anew
            raise

    def _append(self, heads: Sequence[Head]) -> None:
        is_new = not self._read_until
        data = _lines(heads)
        descriptor = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600)
        try:
            os.ftruncate(descriptor, self._read_until)  # a crash may have left half a line
            _write_at(descriptor, data, self._read_until)
            os.fsync(descriptor)
            self._remember(descriptor, data, lines=len(heads))
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self._home)

    def _compact(self, heads: Mapping[str, Head]) -> None:
        fresh = self._home / "heads.new"
        write_file(fresh, _lines(heads.values()))
        fresh.replace(self._path)
        sync_folder(self._home)
        self._forget()
        self.read()

    def _forget(self) -> None:
        self._heads: dict[str, Head] = {}
        self._seen: _Seen | None = None
        self._read_until = self._lines = 0
        self._tail = b""

    def _catch_up(self, descriptor: int) -> None:
        status = os.fstat(descriptor)
        if not self._only_grew(descriptor, status):
            self._forget()
        data = os.pread(descriptor, status.st_size - self._read_until, self._read_until)
        complete = data[: data.rfind(b"\n") + 1]  # a crash may have cut the last line short
        lines = complete.decode().splitlines()
        for line in lines:
            size, root, origin = line.split(" ", 2)
            self._heads[origin] = Head(origin, int(size), base64.b64decode(root))
        self._remember(descriptor, complete, lines=len(lines))

    def _only_grew(self, descriptor: int, status: os.stat_result) -> bool:
        """Whether what was read is still what stands there, with more behind it.

        A file's number is given again when it is replaced, so the end of what was read must stand
        where it stood; one that changed without growing was written over.
        """
        return (
            self._seen is not None
            and self._seen[0] == status.st_ino
            and self._seen[1] < status.st_size
            and os.pread(descriptor, len(self._tail), self._read_until - len(self._tail))
            == self._tail
        )

    def _remember(self, descriptor: int, data: bytes, *, lines: int) -> None:
        self._read_until += len(data)
        self._lines += lines
        self._tail = (self._tail + data)[-_TAIL_BYTES:]
        self._seen = _seen(os.fstat(descriptor))


def write_file(path: Path, data: bytes) -> None:
    """Write a file that its owner alone may read; it is on disk when this returns."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def sync_folder(folder: Path) -> None:
    """Have the folder's own entries on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _seen(status: os.stat_result) -> _Seen:
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _lines(heads: Iterable[Head]) -> bytes:
    return b"".join(
        f"{head.size} {base64.b64encode(head.root).decode()} {head.origin}\n".encode()
        for head in heads
    )

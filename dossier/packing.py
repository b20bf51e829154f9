"""The zip that a bundle is, written member by member.

It depends on nothing but its members and their order: no clock, no machine, no file system.
"""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import IO

from audit.slices import Sink

# What is larger stands in the zip as it is: deflating a million records takes longer than all else
# that is done to them.
MOST_DEFLATED_BYTES = 64 * 1024 * 1024
_NOT_DEFLATED = ".bin"  # hashes: nothing makes them shorter
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold; the true dates are inside
_REGULAR_FILE = 0o100644 << 16
_BLOCK = 4 * 1024 * 1024  # read at once: each time, the thread that sets pages is kept waiting


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the zip: its size and SHA-256, in hexadecimal digits."""

    size: int
    sha256: str


class Package:
    """The zip *path* while it is written; everything is in a folder named like it.

    What is deflated is hashed on its way; what stands there as it is, and the zip itself, is read
    again for that, beside other work.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("wb")
        self._archive = zipfile.ZipFile(self._file, "w", compresslevel=6)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="package-hash")
        self._readings: list[Future[None]] = []
        self._digests: dict[str, hashlib._Hash] = {}  # of the members
        self._unread: deque[tuple[hashlib._Hash, int, int]] = deque()  # where those stand
        self._digest, self._read = hashlib.sha256(), 0  # of the zip, and how far

    def __enter__(self) -> Package:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._reader, self._file:
            self._archive.close()

    def put(self, name: str, data: bytes) -> None:
        """Add a member."""
        with self.open(name, about=len(data)) as sink:
            sink.write(data)

    @contextlib.contextmanager
    def open(self, name: str, *, about: int) -> Iterator[Sink]:
        """Write a member of *about* so many bytes."""
        is_deflated = about <= MOST_DEFLATED_BYTES and not name.endswith(_NOT_DEFLATED)
        info = zipfile.ZipInfo(f"{self.path.stem}/{name}", _EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED if is_deflated else zipfile.ZIP_STORED
        info.create_system = 3  # Unix, wherever it is packed
        info.external_attr = _REGULAR_FILE
        digest = hashlib.sha256()
        with self._archive.open(info, "w", force_zip64=True) as file:
            start = self._file.tell()
            yield _Hashed(file, digest) if is_deflated else file
        if not is_deflated:
            self._unread.append((digest, start, start + info.file_size))
        self._digests[name] = digest

    def hash_ahead(self) -> None:
        """Hash what stands in the zip so far while somebody does something else.

        No byte of a complete member changes any more.
        """
        self._file.flush()
        self._readings.append(self._reader.submit(self._hash, self._file.tell()))

    @property
    def members(self) -> Mapping[str, Member]:
        """The members that are complete, by name; until the package is closed."""
        self.hash_ahead()
        self._wait()
        folder = self.path.stem
        return {
            name: Member(self._archive.getinfo(f"{folder}/{name}").file_size, digest.hexdigest())
            for name, digest in self._digests.items()
        }

    @property
    def sha256(self) -> str:
        """The SHA-256 of the closed zip, in hexadecimal digits."""
        self._wait()
        self._hash(self.path.stat().st_size)
        return self._digest.hexdigest()

    def _wait(self) -> None:
        """Until everything asked for is read; raises what was raised there."""
        for reading in self._readings:
            reading.result()

    def _hash(self, end: int) -> None:
        """Read the members that nobody has read yet, and the zip from where that ended."""
        with self.path.open("rb", buffering=0) as file:
            while self._unread:
                _update(file, *self._unread.popleft())
            _update(file, self._digest, self._read, end)
            self._read = end


class _Hashed:
    """Passes on what is written, and updates a digest with it."""

    def __init__(self, file: IO[bytes], digest: hashlib._Hash) -> None:
        self._file, self._digest = file, digest

    def write(self, data: bytes, /) -> None:
        self._file.write(data)
        self._digest.update(data)


def _update(file: FileIO, digest: hashlib._Hash, start: int, end: int) -> None:
    """Update *digest* with the bytes from *start* to before *end*."""
    file.seek(start)
    block = memoryview(bytearray(min(_BLOCK, end - start)))
    while start < end:
        count = file.readinto(block[: end - start])
        if not count:
            raise EOFError(f"{file.name} ends at {start}: what was written is not there.")
        digest.update(block[:count])
        start += count

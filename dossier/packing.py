"""The zip that a bundle is, written member by member; each is read and hashed once.

It depends on nothing but its members and their order: no clock, no machine, no file system.
"""

from __future__ import annotations

import contextlib
import hashlib
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

# What is larger stands in the zip as it is: deflating a million records takes longer than all else
# that is done to them.
MOST_DEFLATED_BYTES = 64 * 1024 * 1024
_NOT_DEFLATED = ".bin"  # hashes: nothing makes them shorter
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold; the true dates are inside
_REGULAR_FILE = 0o100644 << 16
_BLOCK = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Member:
    """A file in the zip: its size and SHA-256, in hexadecimal digits."""

    size: int
    sha256: str


class Package:
    """The zip *path* while it is written; everything is in a folder named like it.

    ``members`` are those that are complete, by name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members: dict[str, Member] = {}
        self._file = path.open("wb")
        self._archive = zipfile.ZipFile(self._file, "w", compresslevel=6)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="package-hash")
        self._digest, self._hashed = hashlib.sha256(), 0

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
        with self.open(name, about=len(data)) as file:
            file.write(data)
        self.note(name, hashlib.sha256(data).hexdigest())

    @contextlib.contextmanager
    def open(self, name: str, *, about: int) -> Iterator[IO[bytes]]:
        """Write a member of *about* so many bytes; :meth:`note` it afterwards."""
        is_deflated = about <= MOST_DEFLATED_BYTES and not name.endswith(_NOT_DEFLATED)
        info = zipfile.ZipInfo(f"{self.path.stem}/{name}", _EPOCH)
        info.compress_type = zipfile.ZIP_DEFLATED if is_deflated else zipfile.ZIP_STORED
        info.create_system = 3  # Unix, wherever it is packed
        info.external_attr = _REGULAR_FILE
        with self._archive.open(info, "w", force_zip64=True) as file:
            yield file

    def note(self, name: str, sha256: str) -> None:
        """Take down that a member is complete, and what the SHA-256 of it is."""
        size = self._archive.getinfo(f"{self.path.stem}/{name}").file_size
        self.members[name] = Member(size, sha256)

    def hash_ahead(self) -> None:
        """Hash what stands in the zip so far while somebody does something else.

        No byte of a complete member changes any more.
        """
        self._file.flush()
        self._reader.submit(self._hash_until, self._file.tell())

    @property
    def sha256(self) -> str:
        """The SHA-256 of the closed zip, in hexadecimal digits."""
        self._hash_until(self.path.stat().st_size)
        return self._digest.hexdigest()

    def _hash_until(self, end: int) -> None:
        with self.path.open("rb", buffering=0) as file:
            file.seek(self._hashed)
            while self._hashed < end and (block := file.read(min(_BLOCK, end - self._hashed))):
                self._digest.update(block)
                self._hashed += len(block)

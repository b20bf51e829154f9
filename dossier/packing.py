"""Members of a bundle: their hashes, each taken once, and the zip they stand in.

The zip depends on nothing but its members: no clock, no machine, no order of a file system.
"""

from __future__ import annotations

import hashlib
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

# What is larger stands in the zip as it is: deflating a million records takes longer than all else
# that is done to them.
MOST_DEFLATED_BYTES = 64 * 1024 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest date a zip can hold; the true dates are inside
_REGULAR_FILE = 0o100644 << 16
_AT_ONCE = 1 << 20


class Digests:
    """SHA-256 of files, in hexadecimal digits; what is *known* already is not read again."""

    def __init__(self, known: Mapping[Path, str]) -> None:
        self._known = dict(known)

    def of(self, path: Path) -> str:
        """The digest of a file, which does not change any more."""
        if path not in self._known:
            self._known[path] = sha256_of(path)
        return self._known[path]


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def members(contents: Path) -> list[Path]:
    """Every file below *contents*, in the order of the zip."""
    return sorted(path for path in contents.rglob("*") if path.is_file())


def pack(contents: Path, path: Path) -> None:
    """Write the zip *path* with everything below *contents*, in a folder named like the zip."""
    with zipfile.ZipFile(path, "w", compresslevel=6) as archive:
        for member in members(contents):
            size = member.stat().st_size
            name = f"{path.stem}/{member.relative_to(contents).as_posix()}"
            info = zipfile.ZipInfo(name, _EPOCH)
            info.compress_type = (
                zipfile.ZIP_DEFLATED if size <= MOST_DEFLATED_BYTES else zipfile.ZIP_STORED
            )
            info.create_system = 3  # Unix, wherever it is packed
            info.external_attr = _REGULAR_FILE
            with member.open("rb") as source, archive.open(info, "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, _AT_ONCE)

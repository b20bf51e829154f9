"""The zip of a bundle: its hash, whenever it is taken, and what happens where writing fails."""

from __future__ import annotations

import hashlib
import os
import threading
import zipfile
from pathlib import Path

import pytest

from dossier.packing import MOST_DEFLATED_BYTES, Package


@pytest.mark.parametrize("ahead", [0, 1, 3])
def test_the_hash_is_that_of_the_file(tmp_path: Path, ahead: int) -> None:
    with Package(tmp_path / "bundle.zip") as package:
        with package.open("records.jsonl", about=MOST_DEFLATED_BYTES + 1) as file:
            for number in range(3000):
                file.write(b"%01000d\n" % number)
        for _ in range(ahead):
            package.hash_ahead()
        package.put("leaves.bin", bytes(100_000))
        package.put("small.json", b"{}" * 1000)
        members = package.members
    data = package.path.read_bytes()
    assert package.sha256 == hashlib.sha256(data).hexdigest()
    with zipfile.ZipFile(package.path) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [
            f"bundle/{name}" for name in ("records.jsonl", "leaves.bin", "small.json")
        ]
        assert archive.read("bundle/small.json") == b"{}" * 1000
        read = {name: archive.read(f"bundle/{name}") for name in members}
    assert len(read) == 3
    assert {name: (member.size, member.sha256) for name, member in members.items()} == {
        name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in read.items()
    }


def test_a_failure_leaves_no_thread_and_no_open_file(tmp_path: Path) -> None:
    package = Package(tmp_path / "bundle.zip")

    def fail() -> None:
        with package:
            package.put("leaves.bin", bytes(5_000_000))
            package.hash_ahead()
            raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        fail()
    assert package._file.closed
    assert not any("package-hash" in thread.name for thread in threading.enumerate())


def test_what_cannot_be_read_again_gets_no_hash(tmp_path: Path) -> None:
    with Package(tmp_path / "bundle.zip") as package:
        package.put("leaves.bin", bytes(5_000_000))
        package._file.flush()
        os.truncate(package.path, 1_000_000)
        package.hash_ahead()
        with pytest.raises(EOFError, match="ends at 1000000"):
            list(package.members)

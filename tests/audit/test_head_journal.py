"""The signer's memory: kept in the process, and never other than what stands on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings

from audit import head_journal
from audit.head_journal import HeadJournal
from audit.notes import Head
from audit.signer import LocalSigner, Refusal, Request, local_signer

ANOTHER_PROCESS = """
import sys
from pathlib import Path
from audit.head_journal import HeadJournal
from audit.notes import Head
journal = HeadJournal(Path(sys.argv[1]))
with journal.locked():
    journal.read()
    journal.add([Head(sys.argv[2], int(sys.argv[3]), bytes([int(sys.argv[3])]) * 32)])
"""


def head(size: int, origin: str = "log/1") -> Head:
    return Head(origin, size, bytes([size]) * 32)


def add(journal: HeadJournal, *heads: Head) -> None:
    with journal.locked():
        journal.read()
        journal.add(heads)


def known(journal: HeadJournal) -> dict[str, Head]:
    with journal.locked():
        return dict(journal.read())


@pytest.fixture
def journal(tmp_path: Path) -> HeadJournal:
    made = HeadJournal(tmp_path)
    add(made, head(1), head(1, "log/2"))
    return made


def test_what_another_process_writes_is_known_at_once(journal: HeadJournal, tmp_path: Path) -> None:
    for size in (2, 3):
        written = subprocess.run(
            [sys.executable, "-c", ANOTHER_PROCESS, str(tmp_path), "log/1", str(size)],
            cwd=settings.BASE_DIR,
            check=False,
        )
        assert written.returncode == 0
        assert known(journal) == {"log/1": head(size), "log/2": head(1, "log/2")}
    add(journal, head(4))
    assert known(HeadJournal(tmp_path)) == known(journal)
    assert known(journal)["log/1"] == head(4)


def test_what_did_not_change_is_not_read_again(
    journal: HeadJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    pread = os.pread

    def counted(descriptor: int, count: int, offset: int) -> bytes:
        read.append(count)
        return pread(descriptor, count, offset)

    monkeypatch.setattr(os, "pread", counted)
    add(journal, head(2))
    assert known(journal)["log/1"] == head(2)
    assert read == []
    add(HeadJournal(tmp_path), head(3))
    read.clear()
    assert known(journal)["log/1"] == head(3)
    assert sum(read) < (tmp_path / "heads.log").stat().st_size + len(b"3 ") + 600
    assert known(journal)["log/2"] == head(1, "log/2")


@pytest.mark.parametrize("is_new_file", [True, False])
@pytest.mark.parametrize("sizes", [(), (7,), (7, 8), (7, 8, 9, 10, 11)])
def test_a_journal_that_was_replaced_or_written_over_is_read_anew(
    journal: HeadJournal, tmp_path: Path, sizes: tuple[int, ...], is_new_file: bool
) -> None:
    path = tmp_path / "heads.log"
    other = HeadJournal(tmp_path / "other")
    add(other, *(head(size, f"log/{size}") for size in sizes))
    data = (tmp_path / "other" / "heads.log").read_bytes() if sizes else b""
    if is_new_file:
        path.unlink()  # the next file is likely to get the same number
    path.write_bytes(data)
    assert known(journal) == {f"log/{size}": head(size, f"log/{size}") for size in sizes}
    add(journal, head(12))
    assert known(HeadJournal(tmp_path)) == known(journal)


def test_a_folder_that_was_taken_away_begins_anew(journal: HeadJournal, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path)
    assert known(journal) == {}
    add(journal, head(5))
    assert known(HeadJournal(tmp_path)) == {"log/1": head(5)}


def test_half_a_line_is_cut_off_by_the_next(journal: HeadJournal, tmp_path: Path) -> None:
    with (tmp_path / "heads.log").open("ab") as file:
        file.write(b"17 half a li")
    assert known(journal)["log/1"] == head(1)
    add(journal, head(2))
    assert b"half" not in (tmp_path / "heads.log").read_bytes()
    assert known(HeadJournal(tmp_path)) == known(journal)


def test_a_head_that_did_not_reach_the_disk_is_forgotten(
    journal: HeadJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", full_disk)
        with pytest.raises(OSError, match="full"):
            add(journal, head(2))
    assert known(journal) == {"log/1": head(1), "log/2": head(1, "log/2")}


def full_disk(*_arguments: object) -> int:
    raise OSError("The disk is full.")


def test_a_long_journal_is_written_anew_and_others_follow(
    journal: HeadJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(head_journal, "_COMPACT_AFTER_LINES", 20)
    other = HeadJournal(tmp_path)
    for size in range(2, 100):
        add((journal, other)[size % 2], head(size))
        assert known(journal) == known(other)
    assert known(journal) == {"log/1": head(99), "log/2": head(1, "log/2")}
    assert len((tmp_path / "heads.log").read_bytes().splitlines()) < 50


def test_threads_share_one_memory(tmp_path: Path) -> None:
    signer = LocalSigner(tmp_path, create_key=True)
    origins = [f"log/{number}" for number in range(40)]

    def sign(origin: str) -> int:
        first = signer.sign([Request(Head(origin, 1, bytes(32)), 0, [])])
        again = signer.sign([Request(Head(origin, 1, bytes([1]) * 32), 0, [])])
        assert isinstance(again[0], Refusal)
        return sum(isinstance(answer, str) for answer in first)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(sign, origins)) == len(origins)
    assert sorted(signer.all_heads()) == sorted(origins)
    assert LocalSigner(tmp_path).all_heads() == signer.all_heads()


def test_a_process_has_one_signer_that_sees_its_keys_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "SIGNER_HOME", tmp_path)
    mine = local_signer()
    assert mine is local_signer()
    (old,) = mine.verification_keys()
    elsewhere = LocalSigner(tmp_path)
    new = elsewhere.new_key()
    assert mine.verification_keys() == [new, old]
    elsewhere.retire_old_keys()
    note = mine.sign([Request(Head("log/1", 1, bytes(32)), 0, [])])[0]
    assert isinstance(note, str)
    assert note.count("\N{EM DASH}") == 1
    assert mine.verification_keys() == elsewhere.verification_keys() == [new, old]
    monkeypatch.setattr(settings, "SIGNER_HOME", tmp_path / "other")
    assert local_signer() is not mine

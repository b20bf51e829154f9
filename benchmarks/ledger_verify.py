"""Verifying records of 1 KB as an outsider does, against raw SHA-256 of the same bytes.

The very ``audit/verifier.py`` of a bundle runs as a process of its own; its CPU time, start-up
included, is set against a loop of ``hashlib.sha256`` over the same records in memory, in turns.

    python -m benchmarks.ledger_verify          (SCALE=full: also 10 M records, 12 GB of disk)
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.ledger_bundles import write_bundle
from benchmarks.ledger_instance import ROOT, is_full, spread, tell, tell_machine
from benchmarks.measuring import measured

VERIFIER = ROOT / "audit" / "verifier.py"
_BLOCK = 20_000
# As the goal says: of fewer, the start of the process would be a good part.
_SIZE, _TURNS = 1_000_000, 5


def main(scale: str | None = None) -> None:
    """Measure and print."""
    tell_machine()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        bundle = Path(folder, "bundle")
        key = write_bundle(bundle, _SIZE)
        _tell_speed(bundle, key, _SIZE, _TURNS)
        _tell_processes(bundle, key, _SIZE, _TURNS)
        _tell_proof(Path(folder))
    _tell_memory(10_000_000 if is_full(scale) else 200_000)


def _tell_speed(bundle: Path, key: str, size: int, turns: int) -> None:
    raw, default, parsed = [], [], []
    for turn in range(turns):
        raw.append(_raw_seconds(bundle))
        default.append(_verify(bundle, key)[0])
        if turn == 0:
            parsed.append(_verify(bundle, key, "--parse")[0])
    for name, seconds, goal in (
        ("full verification of records of 1 KB, one process", default, ">= 0.40"),
        ("the same with every record parsed", parsed, None),
    ):
        ratios = [reference / it for reference, it in zip(raw, seconds, strict=False)]
        tell(
            name,
            statistics.median(ratios),
            "of raw SHA-256",
            goal=goal,
            reference=f"{size} records, CPU: raw {spread(raw)} s, verifier {spread(seconds)} s, "
            f"ratio {spread(ratios)}",
        )


def _tell_processes(bundle: Path, key: str, size: int, turns: int) -> None:
    walls: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(turns):
        for processes, of_processes in walls.items():
            of_processes.append(_verify(bundle, key, "--processes", str(processes))[1])
    speed_ups = [one / two for one, two in zip(walls[1], walls[2], strict=True)]
    tell(
        "verification with two processes",
        statistics.median(speed_ups),
        "times as fast as with one",
        goal=">= 1.6",
        reference=f"{size} records, wall: one {spread(walls[1])} s, two {spread(walls[2])} s",
    )


def _tell_memory(size: int) -> None:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        bundle = Path(folder, "bundle")
        key = write_bundle(bundle, size)
        _cpu, wall, peak = _verify(bundle, key)
    tell(
        f"verifier's memory at {size:,} records",
        peak / 1024,
        "MB (peak resident)",
        goal="<= 64",
        reference=f"{wall:.0f} s of wall time",
    )


def _tell_proof(folder: Path) -> None:
    """One record's proof in a log of 100,000, read from a file and checked completely."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from audit import verifier

    proof, key = _proof(Ed25519PrivateKey.generate(), 100_000)
    path = folder / "proof.json"
    path.write_text(json.dumps(proof), encoding="utf-8")
    arguments = verifier._arguments(["proof", str(path), "--key", key])

    def check() -> None:
        result = verifier.Result()
        verifier.check_proof(arguments, result)
        assert result.status == verifier.VALID

    seconds = [_timed(check) for _ in range(2000)]
    tell(
        "one record's proof with cryptography",
        statistics.median(seconds) * 1000,
        "ms",
        goal="<= 0.3",
        reference="2,000 repeats, 100,000 records, file read and checkpoint's signature included; "
        f"p99 {sorted(seconds)[1980] * 1000:.2f} ms; file {path.stat().st_size} bytes",
    )


def _proof(private_key: Any, size: int) -> tuple[dict[str, Any], str]:
    """A proof as the API hands it out, and the vkey."""
    import base64

    from audit import notes
    from audit.hashing import leaf_hash, root_of
    from audit.notes import Head
    from benchmarks.ledger_bundles import NAME, ORIGIN, _record, _template

    template = _template()
    records = [_record(template, number) for number in range(size)]
    leaves = [leaf_hash(record) for record in records]
    index = size // 3
    head = Head(ORIGIN, size, root_of(leaves))
    path = _audit_path(leaves, index)
    note = f"{head.text}\n{notes.sign(head.text, name=NAME, private_key=private_key)}"
    proof = {
        "format": "lex-custis/proof/v1",
        "record": base64.b64encode(records[index]).decode(),
        "index": index,
        "path": [base64.b64encode(item).decode() for item in path],
        "checkpoint": note,
    }
    return proof, notes.verification_key(NAME, private_key.public_key().public_bytes_raw())


def _audit_path(leaves: list[bytes], index: int) -> list[bytes]:
    """The audit path as RFC 6962 section 2.1.1 defines it."""
    from audit.hashing import root_of

    if len(leaves) == 1:
        return []
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    if index < middle:
        return [*_audit_path(leaves[:middle], index), root_of(leaves[middle:])]
    return [*_audit_path(leaves[middle:], index - middle), root_of(leaves[:middle])]


def _raw_seconds(bundle: Path) -> float:
    """CPU seconds of SHA-256 over each record, reading not counted."""
    seconds, sha256 = 0.0, hashlib.sha256
    with (bundle / "audit_log_period.jsonl").open("rb") as lines:
        while records := [line[:-1] for line, _ in zip(lines, range(_BLOCK), strict=False)]:
            started = time.process_time()
            for record in records:
                sha256(record).digest()
            seconds += time.process_time() - started
    return seconds


def _verify(bundle: Path, key: str, *options: str) -> tuple[float, float, int]:
    """CPU seconds, wall seconds and peak resident KiB of the verifier, which must say VALID."""
    command = [sys.executable, str(VERIFIER), str(bundle), "--key", key, "--json", *options]
    done = measured(command)
    if done.status:
        raise RuntimeError(f"The verifier refused an honest bundle: {done.said}")
    return done.cpu, done.wall, done.peak


def _timed(call: Callable[[], None]) -> float:
    started = time.perf_counter()
    with contextlib.redirect_stdout(io.StringIO()):
        call()
    return time.perf_counter() - started


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    main(os.environ.get("SCALE"))

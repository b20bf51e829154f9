"""Large honest bundles without a database, written as fast as Python can."""

from __future__ import annotations

import base64
import json
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import notes
from audit.canonical import encode
from audit.hashing import Frontier, leaf_hash
from audit.notes import Head

NAME = "ledger.example"
ORIGIN = f"{NAME}/o/{'5f' * 16}/1"
RECORD_BYTES = 1056
_WRITERS = 8
_BATCH = 8192


def write_bundle(folder: Path, size: int) -> str:
    """Write a bundle of *size* records of 1,056 bytes from the log's start; return the vkey."""
    key = Ed25519PrivateKey.generate()
    proofs = folder / "proofs"
    proofs.mkdir(parents=True)
    frontier = Frontier()
    template = _template()
    with (folder / "audit_log_period.jsonl").open("wb") as lines:
        for start in range(0, size, _BATCH):
            batch = [
                _record(template, number) for number in range(start, min(start + _BATCH, size))
            ]
            frontier.extend([leaf_hash(record) for record in batch])
            lines.write(b"\n".join(batch) + b"\n")
    head = Head(ORIGIN, size, frontier.root)
    note = f"{head.text}\n{notes.sign(head.text, name=NAME, private_key=key)}"
    empty = Head(ORIGIN, 0, Frontier().root)
    before = f"{empty.text}\n{notes.sign(empty.text, name=NAME, private_key=key)}"
    for name, text in (("before", before), ("after", note), ("latest", note)):
        (proofs / f"checkpoint_{name}.txt").write_text(text, encoding="utf-8")
    frame = {
        "format": "lex-custis/slice/v1",
        "origin": ORIGIN,
        "period": {"from": "", "until": ""},
        "first": 0,
        "end": size,
        "frontier": [],
        "consistency_to_latest": [],
    }
    (proofs / "slice.json").write_text(json.dumps(frame), encoding="utf-8")
    return notes.verification_key(NAME, key.public_key().public_bytes_raw())


def _template() -> bytes:
    """A record with places for its random bits, id and number; canonical whatever fills them."""
    commitment = base64.urlsafe_b64encode(secrets.token_bytes(32)).rstrip(b"=").decode()
    record = {
        "actor": {"id": "018f0000-0000-7000-8000-000000000000", "type": "user"},
        "at": "2026-11-21T10:15:00.123456Z",
        "body": {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "mistral_ai",
            "gen_ai.request.model": "mistral-large-latest",
            "gen_ai.usage.input_tokens": 42,
            "lexcustis.attempt": 1,
            "lexcustis.trace": "@TRACE@",
        },
        "content": {"prompt": {"bytes": 311, "commitment": commitment, "media": "text/plain"}},
        "id": "@ID@",
        "kind": "inference.requested",
        "links": [],
        "log": ORIGIN,
        "v": 1,
        "writer": ["@WRITER@", 123456789],
    }
    data = encode(record).replace(b"123456789", b"@NUMBER@")
    fixed = len(data) - len("@TRACE@@ID@@WRITER@@NUMBER@") + 36 + 12 + 7
    return data.replace(b"@TRACE@", b"%(trace)s" + b"x" * (RECORD_BYTES - fixed - 16))


def _record(template: bytes, number: int) -> bytes:
    time = 1_790_000_000_000 + number
    tail = secrets.token_hex(8)
    identifier = f"{time >> 16:08x}-{time & 0xFFFF:04x}-7{tail[:3]}-8{tail[3:6]}-{tail[4:]}"
    writer, count = number % _WRITERS, number // _WRITERS + 1
    return (
        template.replace(b"%(trace)s", tail.encode())
        .replace(b"@ID@", identifier.encode())
        .replace(b"@WRITER@", b"%012x" % (0xABC000 + writer))
        .replace(b"@NUMBER@", str(count).encode())
    )

"""Makes small, honest bundles without a database, and forges them in every way we know of."""

from __future__ import annotations

import base64
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit import notes
from audit.canonical import encode
from audit.commitments import commitment
from audit.hashing import Frontier, leaf_hash, root_of
from audit.notes import Head
from audit.tree import consistency_ranges
from orgs.identifiers import uuid7

NAME = "ledger.example"
ORIGIN = f"{NAME}/o/{'5f' * 16}/1"
OTHER = f"{NAME}/o/{'6e' * 16}/1"
START = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass
class Forge:
    """A log of some records, and the key that signs its heads."""

    key: Ed25519PrivateKey
    records: list[bytes]
    first: int
    end: int

    @property
    def vkey(self) -> str:
        return notes.verification_key(NAME, self.key.public_key().public_bytes_raw())

    def checkpoint(self, size: int, key: Ed25519PrivateKey | None = None) -> str:
        head = Head(ORIGIN, size, root_of([leaf_hash(item) for item in self.records[:size]]))
        return signed(head.text, key or self.key)

    def write(self, folder: Path) -> None:
        leaves = [leaf_hash(item) for item in self.records]
        proofs = folder / "proofs"
        proofs.mkdir(parents=True)
        lines = self.records[self.first : self.end]
        (folder / "audit_log_period.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))
        (proofs / "leaf_hashes.bin").write_bytes(b"".join(leaves[self.first : self.end]))
        for name, size in (
            ("before", self.first),
            ("after", self.end),
            ("latest", len(self.records)),
        ):
            (proofs / f"checkpoint_{name}.txt").write_text(self.checkpoint(size))
        frontier = Frontier()
        frontier.extend(leaves[: self.first])
        path = [root_of(leaves[a:b]) for a, b in consistency_ranges(self.end, len(leaves))]
        frame = {
            "format": "lex-custis/slice/v1",
            "origin": ORIGIN,
            "period": {"from": "", "until": ""},
            "first": self.first,
            "end": self.end,
            "frontier": [encoded(item) for item in frontier.hashes],
            "consistency_to_latest": [encoded(item) for item in path],
        }
        (proofs / "slice.json").write_text(json.dumps(frame))


def signed(text: str, key: Ed25519PrivateKey) -> str:
    return f"{text}\n{notes.sign(text, name=NAME, private_key=key)}"


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def a_record(
    index: int,
    *,
    writer: str,
    number: int,
    kind: str = "inference.requested",
    links: list[dict[str, str]] | None = None,
    origin: str = ORIGIN,
    note: str = "x",
) -> bytes:
    at = START + timedelta(seconds=index)
    record_id = uuid7(at)
    text = f"text {index}".encode()
    promised = commitment(
        salt=bytes(32),
        origin=origin,
        record_id=record_id,
        slot="prompt",
        media="text/plain",
        content=text,
    )
    return encode(
        {
            "actor": {"id": "a", "type": "user"},
            "at": at.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "body": {"gen_ai.provider.name": "simulated", "lexcustis.note": note},
            "content": {
                "prompt": {"bytes": len(text), "commitment": promised, "media": "text/plain"}
            },
            "id": str(record_id),
            "kind": kind,
            "links": links or [],
            "log": origin,
            "v": 1,
            "writer": [writer, number],
        }
    )


def make_forge(chance: random.Random, size: int | None = None) -> Forge:
    """A random honest log, of which a random part is to be shown."""
    size = size or chance.randrange(8, 40)
    numbers = {"aa": 0, "bb": 0, "cc": 0}
    records: list[bytes] = []
    for index in range(size):
        writer = chance.choice(list(numbers))
        numbers[writer] += 1
        records.append(a_record(index, writer=writer, number=numbers[writer]))
    first = chance.choice([0, chance.randrange(size - 4)])
    end = chance.randrange(first + 4, size + 1)
    return Forge(Ed25519PrivateKey.generate(), records, first, end)


Mutation = Callable[[random.Random, Path, Forge], None]


def _lines(folder: Path) -> list[bytes]:
    return (folder / "audit_log_period.jsonl").read_bytes().splitlines()


def _store(folder: Path, lines: list[bytes]) -> None:
    (folder / "audit_log_period.jsonl").write_bytes(b"".join(line + b"\n" for line in lines))


def flip_a_bit(chance: random.Random, folder: Path, _forge: Forge) -> None:
    path = folder / "audit_log_period.jsonl"
    data = bytearray(path.read_bytes())
    data[chance.randrange(len(data) - 1)] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


def change_a_word(chance: random.Random, folder: Path, _forge: Forge) -> None:
    lines = _lines(folder)
    index = chance.randrange(len(lines))
    record: dict[str, Any] = json.loads(lines[index])
    change = chance.choice(["body", "kind", "at", "actor", "commitment", "links"])
    if change == "body":
        record["body"]["gen_ai.provider.name"] = "another"
    elif change == "kind":
        record["kind"] = "oversight.accepted"
    elif change == "at":
        record["at"] = record["at"].replace("2026", "2025")
    elif change == "actor":
        record["actor"]["id"] = "b"
    elif change == "commitment":
        record["content"]["prompt"]["commitment"] = "A" * 43
    else:
        record["links"] = [{"id": record["id"], "rel": "context"}]
    lines[index] = encode(record)
    _store(folder, lines)


def leave_one_out(chance: random.Random, folder: Path, _forge: Forge) -> None:
    lines = _lines(folder)
    del lines[chance.randrange(len(lines))]
    _store(folder, lines)


def repeat_one(chance: random.Random, folder: Path, _forge: Forge) -> None:
    lines = _lines(folder)
    lines.insert(chance.randrange(len(lines)), chance.choice(lines))
    _store(folder, lines)


def add_one(chance: random.Random, folder: Path, _forge: Forge) -> None:
    lines = _lines(folder)
    lines.insert(chance.randrange(len(lines) + 1), a_record(5, writer="dd", number=1))
    _store(folder, lines)


def swap_two(chance: random.Random, folder: Path, _forge: Forge) -> None:
    lines = _lines(folder)
    first, second = chance.sample(range(len(lines)), 2)
    lines[first], lines[second] = lines[second], lines[first]
    _store(folder, lines)


def cut_the_tail(chance: random.Random, folder: Path, forge: Forge) -> None:
    """Cut records off and make everything unsigned fit again."""
    keep = chance.randrange(1, forge.end - forge.first)
    _store(folder, _lines(folder)[:keep])
    _change_frame(folder, end=forge.first + keep)


def cut_the_front(chance: random.Random, folder: Path, forge: Forge) -> None:
    cut = chance.randrange(1, forge.end - forge.first)
    _store(folder, _lines(folder)[cut:])
    frontier = Frontier()
    frontier.extend([leaf_hash(item) for item in forge.records[: forge.first + cut]])
    _change_frame(
        folder, first=forge.first + cut, frontier=[encoded(item) for item in frontier.hashes]
    )


def bring_another_log(chance: random.Random, folder: Path, _forge: Forge) -> None:
    lines = _lines(folder)
    index = chance.randrange(len(lines))
    lines[index] = lines[index].replace(ORIGIN.encode(), OTHER.encode())
    _store(folder, lines)


def change_a_checkpoint(chance: random.Random, folder: Path, _forge: Forge) -> None:
    path = folder / "proofs" / f"checkpoint_{chance.choice(['before', 'after', 'latest'])}.txt"
    lines = path.read_text().split("\n")
    number = chance.choice([0, 1, 2, 4])
    if number == 1:
        lines[1] = str(int(lines[1]) + chance.choice([-1, 1, 1000]))
    elif number == 2:
        lines[2] = encoded(chance.randbytes(32))
    elif number == 4:
        name, _, rest = lines[4].rpartition(" ")
        raw = bytearray(base64.b64decode(rest))
        raw[chance.randrange(4, len(raw))] ^= 1 << chance.randrange(8)
        lines[4] = f"{name} {encoded(bytes(raw))}"
    else:
        lines[0] = lines[0].replace("5f", "6e", 1)
    path.write_text("\n".join(lines))


def sign_with_another_key(chance: random.Random, folder: Path, forge: Forge) -> None:
    """Rewrite history in full, but without the key."""
    thief = Forge(Ed25519PrivateKey.generate(), list(forge.records), forge.first, forge.end)
    index = chance.randrange(forge.first, forge.end)
    thief.records[index] = a_record(index, writer="aa", number=1, note="rewritten")
    shutil.rmtree(folder)
    thief.write(folder)


def rewrite_with_old_signatures(chance: random.Random, folder: Path, forge: Forge) -> None:
    """Rewrite records, leaf hashes and frame; keep the signed heads."""
    notes_before = {path: path.read_text() for path in (folder / "proofs").glob("*.txt")}
    sign_with_another_key(chance, folder, forge)
    for path, note in notes_before.items():
        path.write_text(note)


def change_the_frame(chance: random.Random, folder: Path, forge: Forge) -> None:
    frame = json.loads((folder / "proofs" / "slice.json").read_text())
    choices = ["first", "end"]
    choices += [name for name in ("frontier", "consistency_to_latest") if frame[name]]
    name = chance.choice(choices)
    if isinstance(frame[name], int):
        _change_frame(folder, **{name: frame[name] + chance.choice([-1, 1, 7])})
    else:
        item = chance.randrange(len(frame[name]))
        frame[name][item] = encoded(chance.randbytes(32))
        _change_frame(folder, **{name: frame[name]})


def split_the_view(chance: random.Random, folder: Path, forge: Forge) -> None:
    """The key's owner shows another history, with heads that are all signed."""
    fork = Forge(forge.key, list(forge.records), forge.first, forge.end)
    index = chance.randrange(forge.end)
    fork.records[index] = a_record(index, writer="ee", number=1, note="fork")
    (folder / "proofs" / "checkpoint_latest.txt").write_text(fork.checkpoint(len(fork.records)))
    if len(forge.records) == forge.end:  # then the newest head is that after the records
        (folder / "proofs" / "checkpoint_after.txt").write_text(fork.checkpoint(forge.end))


def _change_frame(folder: Path, **changes: Any) -> None:
    path = folder / "proofs" / "slice.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


MUTATIONS: list[Mutation] = [
    flip_a_bit,
    change_a_word,
    leave_one_out,
    repeat_one,
    add_one,
    swap_two,
    cut_the_tail,
    cut_the_front,
    bring_another_log,
    change_a_checkpoint,
    sign_with_another_key,
    rewrite_with_old_signatures,
    change_the_frame,
    split_the_view,
]

#!/usr/bin/env python3
"""Checks audit logs of Lex Custis. One file, Python 3.9 or newer, no network, nothing to install.

    python verifier.py BUNDLE --key VKEY              a dossier's zip or its unpacked folder
    python verifier.py proof FILE --key VKEY          one record's proof (JSON or .tlog-proof)
    python verifier.py watch TARGET --key VKEY --state FILE
                                                      a checkpoint or bundle against what you saw
    python verifier.py content BUNDLE --disclosed FILE
                                                      disclosed text against its commitments
    python verifier.py selftest                       this program against known answers

The key comes from outside the bundle: from a contract, a printed dossier, a web page you trust.
A key that travels with the data proves nothing.

Exit status: 0 valid, 1 tampered, 2 cannot decide (something needed is missing), 3 usage.
With --json the result is one JSON object on standard output.

Formats: docs/ledger-format.md; RFC 6962, RFC 8032, RFC 8785; C2SP signed-note, tlog-checkpoint,
tlog-proof, tlog-cosignature. This file shares no code with the product that writes the logs.
"""

# ruff: noqa: T201, B905, RUF007 - results are printed; zip(strict=) and pairwise are newer than 3.9

from __future__ import annotations

import argparse
import base64
import contextlib
import gc
import hashlib
import heapq
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import islice
from operator import eq
from pathlib import Path
from typing import IO, Any, NamedTuple

VALID, TAMPERED, UNDECIDED, USAGE = 0, 1, 2, 3
WORDS = {VALID: "VALID", TAMPERED: "TAMPERED", UNDECIDED: "CANNOT DECIDE"}

RECORDS = "audit_log_period.jsonl"
MAX_RECORD_BYTES = 16 * 1024
_LINE_END = 0x0A
_START = "spawn" if os.name == "nt" else "fork"  # how another process begins
_COUNTING = 0.08  # what counting the lines of a part costs, compared with looking at them
# Beyond so many records each is still hashed and placed, but no longer parsed, unless asked for.
PARSE_UP_TO = 100_000

Head = tuple[str, int, bytes]  # origin, size, root


class Tampered(Exception):
    """Something is not what was signed."""


class Undecided(Exception):
    """Something that is needed is missing."""


# -- Hashes and trees (RFC 6962) -----------------------------------------------------------------


def leaf_hash(record: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Tree:
    """Perfect subtrees side by side: (first leaf, height, root), merged where they are siblings."""

    def __init__(self, size: int = 0, frontier: list[bytes] | None = None) -> None:
        self.nodes: list[tuple[int, int, bytes]] = []
        start = 0
        heights = [bit for bit in reversed(range(size.bit_length())) if size >> bit & 1]
        for height, root in zip(heights, frontier or []):
            self.nodes.append((start, height, root))
            start += 1 << height
        self.end = size

    def add(self, start: int, height: int, root: bytes) -> None:
        """Put a perfect subtree at the right end."""
        nodes = self.nodes
        while nodes:
            left_start, left_height, left_root = nodes[-1]
            if left_height != height or left_start >> height & 1:
                break
            nodes.pop()
            start, height, root = left_start, height + 1, node_hash(left_root, root)
        nodes.append((start, height, root))
        self.end = start + (1 << height)

    def extend(self, leaves: list[bytes]) -> None:
        """Append leaf hashes; whole blocks of 256 are folded level by level, which is fastest."""
        begun, position, start = hashlib.sha256(b"\x01").copy, self.end, 0
        while start < len(leaves):
            if position % 256 == 0 and start + 256 <= len(leaves):
                level = leaves[start : start + 256]
                while len(level) > 1:
                    each, above = iter(level), []  # taken twice in turn: left, right
                    for left, right in zip(each, each):
                        node = begun()  # a copy costs less than another hash
                        node.update(left)
                        node.update(right)
                        above.append(node.digest())
                    level = above
                self.add(position, 8, level[0])
                position, start = position + 256, start + 256
            else:
                self.add(position, 0, leaves[start])
                position, start = position + 1, start + 1

    def root(self) -> bytes:
        """The root over everything."""
        if not self.nodes:
            return hashlib.sha256(b"").digest()
        result = self.nodes[-1][2]
        for _start, _height, left in reversed(self.nodes[:-1]):
            result = node_hash(left, result)
        return result


def inclusion_root(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """The root that an audit path leads to (RFC 9162, 2.1.3.2), None where it does not fit."""
    if not 0 <= index < size or len(leaf) != 32:
        return None
    node, last, result = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    return result if last == 0 else None


def is_consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: list[bytes]) -> bool:
    """Whether the tree of *new* leaves begins with that of *old* (RFC 9162, 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old == 0 and old_root != hashlib.sha256(b"").digest():
        return False
    if old == new:
        return old_root == new_root and not path
    if old == 0:
        return not path
    if old & (old - 1) == 0:
        path = [old_root, *path]
    return bool(path) and _fold_consistency(old, new, path) == (old_root, new_root)


def _fold_consistency(old: int, new: int, path: list[bytes]) -> tuple[bytes, bytes] | None:
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        node, last = node >> 1, last >> 1
    return (before, after) if last == 0 else None


# -- Ed25519 (RFC 8032): from the package "cryptography" where it is, else from the definition ----

_P = 2**255 - 19
_L = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, _P - 2, _P) % _P
_Point = tuple[int, int, int, int]


def _add(p: _Point, q: _Point) -> _Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % _P, g * h % _P, f * g % _P, e * h % _P)


def _multiply(scalar: int, point: _Point) -> _Point:
    result: _Point = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = _add(result, point)
        point = _add(point, point)
        scalar >>= 1
    return result


def _decompress(data: bytes) -> _Point | None:
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, _P - 2, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return (x, y, 1, x * y % _P)


_BASE_Y = 4 * pow(5, _P - 2, _P) % _P
_BASE = _decompress(_BASE_Y.to_bytes(32, "little"))


def ed25519_by_definition(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Verify as RFC 8032 section 5.1.7 says, in plain integers."""
    if len(public_key) != 32 or len(signature) != 64:
        return False
    a, r = _decompress(public_key), _decompress(signature[:32])
    s = int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= _L or _BASE is None:
        return False
    digest = hashlib.sha512(signature[:32] + public_key + message).digest()
    left = _multiply(s, _BASE)
    right = _add(r, _multiply(int.from_bytes(digest, "little") % _L, a))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 and (
        left[1] * right[2] - right[1] * left[2]
    ) % _P == 0


def ed25519(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether the signature of the message is the key's."""
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    except ImportError:
        return ed25519_by_definition(public_key, signature, message)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def mldsa44(public_key: bytes, signature: bytes, message: bytes) -> bool | None:
    """The same for ML-DSA-44 (FIPS 204); None where this Python has no library for it."""
    try:
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey
    except ImportError:
        return None
    try:
        MLDSA44PublicKey.from_public_bytes(public_key).verify(signature, message)
    except UnsupportedAlgorithm:
        return None
    except (InvalidSignature, ValueError):
        return False
    return True


# -- Notes and checkpoints (C2SP signed-note, tlog-checkpoint, tlog-cosignature) -------------------


_KEY_BYTES = {1: 32, 4: 32, 6: 1312}


class Key:
    """A vkey: ``name+id+base64(type, public key)``.

    Type 1 signs notes (Ed25519), type 4 cosigns them, type 6 is ML-DSA-44. ``second`` is the log's
    own key of type 6, where one was given.
    """

    def __init__(self, vkey: str) -> None:
        try:
            self.name, identifier, encoded = vkey.strip().split("+", 2)
            data = base64.b64decode(encoded, validate=True)
        except ValueError:
            raise Undecided("The key is not of the form name+id+base64.") from None
        self.type, self.public = data[0] if data else 0, data[1:]
        digest = hashlib.sha256(self.name.encode() + b"\n" + data).digest()
        if len(self.public) != _KEY_BYTES.get(self.type) or digest[:4].hex() != identifier:
            raise Undecided("The key contradicts itself: was it copied whole?")
        self.id = digest[:4]
        self.second: Key | None = None
        self.twice: set[Head] = set()  # heads under which the second signature was checked
        self.unchecked: set[Head] = set()  # and those under which one stands that was not

    def signed(self, text: str, signatures: list[tuple[str, bytes]]) -> bool:
        """Whether one of the signatures is this key's. Raises where one claims to be and is not."""
        for name, data in signatures:
            if name != self.name or data[:4] != self.id:
                continue
            message = text.encode()
            if self.type == 4:
                moment = int.from_bytes(data[4:12], "big")
                message = f"cosignature/v1\ntime {moment}\n".encode() + message
            if not ed25519(self.public, data[-64:], message):
                raise Tampered(f"The signature of {name} does not fit.")
            return True
        return False

    def look_for_second(self, head: Head, signatures: list[tuple[str, bytes]]) -> None:
        """Check the second signature under a checkpoint, or note that it was not checked."""
        for name, data in signatures:
            if name != self.name or len(data) != 4 + 8 + 2420:
                continue
            found = None
            if self.second is not None and data[:4] == self.second.id:
                message = _cosigned(name, data[4:12], head)
                found = mldsa44(self.second.public, data[12:], message)
            if found is False:
                raise Tampered(f"The second signature of {name} does not fit.")
            (self.unchecked if found is None else self.twice).add(head)

    def report_second(self, head: Head, result: Result) -> None:
        """Say whether *head* bears the second signature. Raises where it must and does not."""
        if head in self.twice:
            result.checks.append(
                f"the head of size {head[1]} bears the second signature, ML-DSA-44"
            )
        elif self.second is None and head in self.unchecked:
            result.not_checked.append(
                "the second signature, ML-DSA-44 (give its key with --second-key)"
            )
        elif self.second is not None and head in self.unchecked:
            result.not_checked.append(
                "the second signature: it is another key's, or this Python has no ML-DSA-44"
            )
        elif self.second is not None:
            raise Tampered(f"The head of size {head[1]} does not bear the second signature.")


def _cosigned(name: str, moment: bytes, head: Head) -> bytes:
    """What type 6 signs: ``cosigned_message`` of C2SP tlog-cosignature, of a whole tree."""
    origin, size, root = head
    message = b"subtree/v1\n\0" + bytes([len(name.encode())]) + name.encode() + moment
    message += bytes([len(origin.encode())]) + origin.encode()
    return message + bytes(8) + size.to_bytes(8, "big") + root


def _keys(arguments: argparse.Namespace) -> Key:
    key = Key(arguments.key)
    if arguments.second_key:
        key.second = Key(arguments.second_key)
        if key.second.type != 6 or key.second.name != key.name:
            raise Undecided("The second key is not one of type ML-DSA-44 of the same name.")
    return key


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """The text of a note, and its signatures as (name, key id and signature)."""
    text, found, rest = note.rpartition("\n\n")
    if not found or not rest.endswith("\n"):
        raise Tampered("This is not a signed note.")
    signatures = []
    for line in rest[:-1].split("\n"):
        parts = line.split(" ")
        try:
            data = base64.b64decode(parts[2], validate=True)
        except (IndexError, ValueError):
            raise Tampered("A signature line is malformed.") from None
        if len(parts) != 3 or parts[0] != "\N{EM DASH}" or len(data) < 68:
            raise Tampered("A signature line is malformed.")
        signatures.append((parts[1], data))
    return text + "\n", signatures


def read_checkpoint(note: str, key: Key) -> Head:
    """The head that *key* signed. Raises :class:`Tampered`."""
    text, signatures = split_note(note)
    if not key.signed(text, signatures):
        raise Tampered(f"The checkpoint is not signed by {key.name}.")
    lines = text.split("\n")
    try:
        origin, size, root = lines[0], int(lines[1]), unbase64(lines[2])
    except (IndexError, ValueError):
        raise Tampered("The signed text is not a checkpoint.") from None
    if str(size) != lines[1] or len(root) != 32 or not origin.startswith(key.name + "/"):
        raise Tampered("The signed text is not a checkpoint of this instance.")
    key.look_for_second((origin, size, root), signatures)
    return origin, size, root


def unbase64(text: str) -> bytes:
    """Decode base64 that is written in the only right way."""
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("not canonical base64")
    return data


# -- Records ---------------------------------------------------------------------------------------

# The end of a record's canonical form. Strings before it cannot contain an unescaped quote, and
# the pattern is anchored at the end, so nothing inside a body can pass for it.
_TAIL = re.compile(
    rb'"id":"([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})"'
    rb',"kind":"([a-z_]+\.[a-z_]+)","links":\[([^\[\]\n]*)\],"log":"([^"\\\n]{1,300})"'
    rb',"v":1,"writer":\["([0-9a-f]{1,32})",([1-9][0-9]{0,15})\]\}\Z'
)
_KIND = re.compile(rb"[a-z_]+\.[a-z_]+")
_REQUEST = re.compile(rb'\{"id":"([0-9a-f-]{36})","rel":"request"\}')
_REQUESTS = re.compile(rb'^[^\n]*?\{"id":"([0-9a-f-]{36})","rel":"request"\}', re.MULTILINE)
_UNUSUAL_IN_LINKS = re.compile(rb"[\[\n]")
_ID_FORM = b"00000000-0000-0000-0000-000000000000"
_HEX_TO_0 = bytes.maketrans(b"123456789abcdef", b"0" * 15)
_KEY = re.compile(r"[A-Za-z0-9._:/-]{1,100}")
_FIELDS = {"actor", "at", "body", "content", "id", "kind", "links", "log", "v", "writer"}
_ENDING_KINDS = frozenset(
    b"inference." + ending
    for ending in (b"completed", b"stopped", b"failed", b"blocked", b"interrupted")
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


def parse_record(data: bytes) -> dict[str, Any]:
    """Parse a record and check its canonical form; raises ValueError with the reason."""
    if len(data) > MAX_RECORD_BYTES:
        raise ValueError("it is larger than 16 KB")
    record = json.loads(data.decode(), object_pairs_hook=_no_duplicates)
    if not isinstance(record, dict) or set(record) != _FIELDS or record["v"] != 1:
        raise ValueError("it has not the fields of a record of version 1")
    _check_value(record)
    again = json.dumps(record, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if again.encode() != data:
        raise ValueError("it is not in canonical form")
    if not _TIME.fullmatch(record["at"]):
        raise ValueError("its time is malformed")
    return record


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key occurs twice")
    return value


def _check_value(value: Any) -> None:
    if isinstance(value, float) or (isinstance(value, int) and abs(value) > 2**53 - 1):
        raise ValueError("it holds a number that is not allowed")
    if isinstance(value, dict):
        for key, item in value.items():
            if not _KEY.fullmatch(key):
                raise ValueError("it holds a key that is not allowed")
            _check_value(item)
    elif isinstance(value, list):
        for item in value:
            _check_value(item)


Run = tuple[bytes, bytes, str, int, int]  # lowest and highest name, file, where in it, how many

NamesSeen = tuple[list[Run], "bytes | None"]  # and a name that was there twice


class Once:
    """Finds names that occur twice, in flat memory.

    Names are UUIDs that begin with their time, so they come nearly in order. The highest wait,
    since later ones may fall among them; the others go to disk, a run as long as they rise. What
    rises has nothing twice, and runs that do not overlap need no second look.
    """

    WAITING = 512
    KEPT = 16_384  # names, until they are written

    def __init__(self, path: Path) -> None:
        self.path = path
        self.runs: list[Run] = []
        self._names: list[bytes] = []
        self._unwritten: list[bytes] = []
        self._count = self._written = 0
        self._again: bytes | None = None

    def add(self, names: list[bytes]) -> None:
        """Take names of 36 bytes each."""
        if names:
            names = self._names + names
            names.sort()
            self._names = names[-self.WAITING :]
            self._put_away(names[: -self.WAITING])

    def put_away(self) -> None:
        """Put what is in memory on disk."""
        self._put_away(self._names)
        self._names = []
        self._write()

    def share(self) -> NamesSeen:
        """What another process needs to know of these names; they lie on disk."""
        self.put_away()
        return self.runs, self._again

    def join(self, share: NamesSeen) -> None:
        """Take in what another process saw."""
        self.runs += share[0]
        self._again = self._again or share[1]

    def _put_away(self, names: list[bytes]) -> None:
        if not names:
            return
        if any(map(eq, names, islice(names, 1, None))):
            pairs = zip(names, names[1:])
            self._again = next(name for name, after in pairs if name == after)
        low, start, count = names[0], self._count, len(names)
        last = self.runs[-1] if self.runs else None
        if last is not None and last[1] < low and last[2] == str(self.path):
            low, _high, _path, start, before = self.runs.pop()
            count += before
        self.runs.append((low, names[-1], str(self.path), start, count))
        self._count += len(names)
        self._unwritten.append(b"".join(names))
        if self._count - self._written >= self.KEPT:
            self._write()

    def _write(self) -> None:
        with self.path.open("ab") as file:
            file.write(b"".join(self._unwritten))
        self._unwritten.clear()
        self._written = self._count

    def twice(self) -> bytes | None:
        """A name that occurs twice, or None."""
        self.put_away()
        overlapping: list[Run] = []
        high = b""
        for run in sorted(self.runs):
            if run[0] > high:
                self._again = self._again or _twice_in(overlapping)
                overlapping.clear()
            overlapping.append(run)
            high = max(high, run[1])
        return self._again or _twice_in(overlapping)


def _twice_in(runs: list[Run]) -> bytes | None:
    if len(runs) < 2:
        return None  # one rises
    step = max(16, Once.KEPT // len(runs))
    before = None
    with contextlib.ExitStack() as opened:
        files = {
            path: opened.enter_context(Path(path).open("rb")) for path in {it[2] for it in runs}
        }
        for name in heapq.merge(*(_names_of(run, files[run[2]], step) for run in runs)):
            if name == before:
                return name
            before = name
    return None


def _names_of(run: Run, file: IO[bytes], step: int) -> Iterator[bytes]:
    _low, _high, _path, start, count = run
    for first in range(start, start + count, step):
        file.seek(36 * first)
        data = file.read(36 * min(step, start + count - first))
        yield from (data[place : place + 36] for place in range(0, len(data), 36))


Runs = list[tuple[int, int]]  # of numbers, both ends included


class Numbers:
    """One writer's numbers: a run without holes, and those that came out of order."""

    def __init__(self) -> None:
        self.low = self.high = 0
        self.early: set[int] = set()

    def add(self, number: int) -> bool:
        """Take a number; False where it was there before."""
        if not self.high:
            self.low = self.high = number
            return True
        if self.low <= number <= self.high or number in self.early:
            return False
        self.early.add(number)
        while self.high + 1 in self.early:
            self.high += 1
            self.early.remove(self.high)
        while self.low - 1 in self.early:
            self.low -= 1
            self.early.remove(self.low)
        return True

    def add_many(self, numbers: list[int]) -> int | None:
        """Take numbers; return the first that was there before, or None."""
        if self.high and not self.early:
            numbers.sort()
            end = self.high + len(numbers)
            if numbers[-1] == end and numbers == list(range(self.high + 1, end + 1)):
                self.high = end
                return None
        return next((number for number in numbers if not self.add(number)), None)

    def runs(self) -> Runs:
        """The numbers as runs."""
        return [(self.low, self.high), *((number, number) for number in self.early)]


def join_runs(runs: Runs) -> tuple[Runs, int | None]:
    """Neighbouring runs made one, in order; and a number that is in two of them, if any."""
    joined: Runs = []
    for low, high in sorted(runs):
        if joined and low <= joined[-1][1]:
            return joined, low
        if joined and low == joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], high)
        else:
            joined.append((low, high))
    return joined, None


def look_closely(
    line: bytes, origin: bytes, *, parse: bool
) -> tuple[bytes, bytes, bytes | None, bytes, int]:
    """A record's id, kind, the request that it ends, writer and number.

    Raises ValueError with what is wrong with it.
    """
    found = _TAIL.search(line)
    if found is None:
        raise ValueError("this is not a record")
    identifier, kind, links, log, writer, number = found.groups()
    name = identifier.decode()
    if log != origin:
        raise ValueError(f"record {name} belongs to another log")
    if parse:
        try:
            if parse_record(line)["id"] != name:
                raise ValueError("it has two ids")
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"record {name}: {error}") from None
    request = _REQUEST.search(links) if kind in _ENDING_KINDS else None
    if kind in _ENDING_KINDS and request is None:
        raise ValueError(f"{name} ends an inference without naming it")
    return identifier, kind, request.group(1) if request else None, writer, int(number)


Share = tuple[NamesSeen, NamesSeen, dict[bytes, Runs], "Counter[bytes]", int]


class Columns(NamedTuple):
    """What some records say of themselves; ``requests`` are those that they end."""

    names: list[bytes]
    kinds: Counter[bytes]
    requests: list[bytes]
    writers: list[bytes]
    numbers: list[int]
    by_writer: dict[bytes, list[int]]


class Records:
    """What is carried from record to record, except the tree."""

    def __init__(self, origin: str, folder: Path, *, parse: bool, mark: int = 0) -> None:
        self.origin = origin.encode()
        self.parse = parse
        self.names = Once(folder / f"names-{mark}")
        self.endings = Once(folder / f"endings-{mark}")  # the requests that ended
        self.writers: dict[bytes, Numbers] = {}
        self.elsewhere: dict[bytes, Runs] = {}  # what other processes saw of each writer
        self.kinds: Counter[bytes] = Counter()
        self.count = 0
        self._middle = b'],"log":"%b","v":1,"writer":["' % self.origin
        self._writer = re.compile(re.escape(self._middle) + rb"[0-9a-f]{1,32}")
        self._jump_over(0)

    def look(self, position: int, buffer: bytearray, ends: list[int]) -> None:
        """Check records by themselves and against those before them. Raises :class:`Tampered`.

        They stand in the buffer between the line *ends*. All at once where nothing is unusual,
        column by column: ten times as fast as one by one.
        """
        columns = None if self.parse else self._columns(buffer, ends)
        if columns is not None:
            self._note(position, columns)
            return
        found = []
        for offset, (start, end) in enumerate(zip(ends, ends[1:])):
            try:
                line = bytes(buffer[start + 1 : end])
                found.append(look_closely(line, self.origin, parse=self.parse))
            except ValueError as error:
                raise Tampered(f"Position {position + offset}: {error}.") from None
        names, kinds, requests, writers, numbers = map(list, zip(*found))
        ended = [it for it in requests if it]
        by_writer = _by_writer(writers, numbers)
        self._note(position, Columns(names, Counter(kinds), ended, writers, numbers, by_writer))

    def _columns(self, buffer: bytearray, ends: list[int]) -> Columns | None:
        """What :meth:`_note` takes; None where a record is not usual, whatever the reason.

        As strict as :func:`look_closely`: one match ends at each line's end, since matches do not
        overlap and none of their parts, once checked, holds a line's end.
        """
        count = len(ends) - 1
        parts = self._split(memoryview(buffer)[: ends[-1] + 1], count)
        names, kinds, links, writers, digits = (parts[n::6] for n in range(1, 6))
        joined, different, numbers = b"".join(names), Counter(kinds), list(map(int, digits))
        by_writer = _by_writer(writers, numbers)
        if not (
            len(names) == count
            and joined.translate(_HEX_TO_0) == _ID_FORM * count
            and joined[14::36] == b"7" * count  # the version
            and not joined[19::36].strip(b"89ab")  # the variant
            and all(map(_KIND.fullmatch, different))
            and all(map(self._writer.fullmatch, by_writer))
            and not _UNUSUAL_IN_LINKS.search(b"".join(links))
        ):
            return None
        requests: list[bytes] = []
        if not _ENDING_KINDS.isdisjoint(different):
            ends_of = [link for kind, link in zip(kinds, links) if kind in _ENDING_KINDS]
            requests = _REQUESTS.findall(b"\n".join(ends_of))
            if len(requests) != len(ends_of):
                return None
        return Columns(names, different, requests, writers, numbers, by_writer)

    def _split(self, data: memoryview, count: int) -> list[bytes]:
        """The five fields of each record's end, and in front of them what lies before.

        The log's name is in the writer's field: another log's record shows as no usual writer.
        """
        parts = self._form.split(data)
        if len(parts) != 6 * count + 1 and self._jump:  # a record shorter than any before?
            self._jump_over(0)
            parts = self._form.split(data)
        if not self._jump and count > 1:
            self._jump_over(min(map(len, parts[6:-1:6]), default=0))
        return parts

    def _jump_over(self, length: int) -> None:
        """From each record's end jump so far into the next before looking for its end."""
        self._jump = length
        self._form = re.compile(
            rb',"id":"(.{36})","kind":"([^"]+)","links":\[([^\]]*)(.{%d}[^"]+)'
            rb'",([1-9][0-9]{0,15})\]\}\n.{0,%d}' % (len(self._middle), length),
            re.DOTALL,
        )

    def share(self) -> Share:
        """What another process needs to know of these records."""
        writers = {writer: numbers.runs() for writer, numbers in self.writers.items()}
        return self.names.share(), self.endings.share(), writers, self.kinds, self.count

    def join(self, share: Share) -> None:
        """Take in what another process saw."""
        names, endings, writers, kinds, count = share
        self.names.join(names)
        self.endings.join(endings)
        for writer, runs in writers.items():
            self.elsewhere.setdefault(writer, []).extend(runs)
        self.kinds.update(kinds)
        self.count += count

    def _note(self, position: int, columns: Columns) -> None:
        """Take in what the records from *position* on say."""
        self.names.add(columns.names)
        self.endings.add(columns.requests)
        self.kinds.update(columns.kinds)
        for writer, numbers in columns.by_writer.items():
            name = writer[writer.rfind(b'"') + 1 :]
            again = self.writers.setdefault(name, Numbers()).add_many(numbers)
            if again is not None:
                said = enumerate(zip(columns.writers, columns.numbers))
                place = max(n for n, it in said if it == (writer, again))
                raise Tampered(
                    f"Position {position + place}: record {columns.names[place].decode()}: "
                    f"its writer used the number {again} before."
                )
        self.count += len(columns.names)

    def finish(self, *, from_the_start: bool) -> None:
        """Check what only shows at the end. Raises :class:`Tampered`."""
        if (twice := self.names.twice()) is not None:
            raise Tampered(f"The record {twice.decode()} is there twice.")
        if (twice := self.endings.twice()) is not None:
            raise Tampered(f"The request {twice.decode()} has two endings.")
        for writer in {**self.writers, **self.elsewhere}:
            own = self.writers[writer].runs() if writer in self.writers else []
            runs, again = join_runs(own + self.elsewhere.get(writer, []))
            if again is not None:
                raise Tampered(f"The writer {writer.decode()} used the number {again} twice.")
            if from_the_start and runs[0][0] != 1:
                runs.insert(0, (0, 0))
            if len(runs) > 1:
                raise Tampered(
                    f"Of writer {writer.decode()} the record number {runs[0][1] + 1} is missing: "
                    "it was taken away before it was sealed."
                )


def _by_writer(writers: list[bytes], numbers: list[int]) -> dict[bytes, list[int]]:
    by_writer: dict[bytes, list[int]] = defaultdict(list)
    for writer, number in zip(writers, numbers):
        by_writer[writer].append(number)
    return by_writer


# -- Bundles ---------------------------------------------------------------------------------------


class Bundle:
    """A dossier: a folder, or a zip whose members may lie in one folder."""

    def __init__(self, path: Path) -> None:
        self._zip: zipfile.ZipFile | None = None
        self._folder = path
        if path.is_file():
            try:
                self._zip = zipfile.ZipFile(path)
            except zipfile.BadZipFile:
                raise Tampered(f"{path} is not a zip, or a damaged one.") from None
            names = [name for name in self._zip.namelist() if name.endswith("proofs/slice.json")]
            self._prefix = names[0][: -len("proofs/slice.json")] if len(names) == 1 else ""
            if len(self._zip.namelist()) != len(set(self._zip.namelist())):
                raise Tampered("A member is in the zip twice.")
        elif not path.is_dir():
            raise Undecided(f"There is no {path}.")

    def names(self) -> list[str]:
        """The paths of the members."""
        if self._zip is not None:
            cut = len(self._prefix)
            return [
                name[cut:] if name.startswith(self._prefix) else f"/{name}"
                for name in self._zip.namelist()
                if not name.endswith("/")
            ]
        files = (path for path in self._folder.rglob("*") if path.is_file())
        return [path.relative_to(self._folder).as_posix() for path in files]

    def open(self, name: str) -> IO[bytes]:
        """Open a member for reading."""
        try:
            if self._zip is not None:
                return self._zip.open(self._prefix + name)
            return (self._folder / name).open("rb")
        except (KeyError, FileNotFoundError):
            raise Undecided(f"The bundle has no {name}.") from None

    def text(self, name: str) -> str:
        """A member as text."""
        with self.open(name) as file:
            return file.read().decode()

    def plain_path(self, name: str) -> Path | None:
        """Where a member lies as a file of its own, None inside a zip."""
        return None if self._zip is not None else self._folder / name


class Slice:
    """The frame of a bundle's records: the two signed heads between which they stand."""

    def __init__(self, bundle: Bundle, key: Key) -> None:
        try:
            frame = json.loads(bundle.text("proofs/slice.json"))
            if frame["format"] != "lex-custis/slice/v1":
                raise Undecided(f"The format {frame['format']} is not known here.")
            self.origin, self.first, self.end = frame["origin"], frame["first"], frame["end"]
            frontier = [unbase64(item) for item in frame["frontier"]]
            paths = {
                place: [unbase64(item) for item in frame.get(f"consistency_to_{place}", [])]
                for place in ("latest", "anchored")
            }
            numbers_fit = 0 <= self.first <= self.end
        except (ValueError, KeyError, TypeError):
            raise Tampered("proofs/slice.json is malformed.") from None
        if not numbers_fit:
            raise Tampered("proofs/slice.json is malformed.")
        names = set(bundle.names())
        self.heads: dict[str, Head] = {}
        for place in ("before", "after", "latest", "anchored"):
            name = f"proofs/checkpoint_{place}.txt"
            if name in names:
                self.heads[place] = read_checkpoint(bundle.text(name), key)
        if len(frontier) != bin(self.first).count("1"):
            raise Tampered("The frontier does not fit the size it is for.")
        self.frontier = frontier
        self.tree = Tree(self.first, frontier)
        self.wanted_root: bytes | None = None
        self._check_frame(paths)

    def end_root(self) -> bytes:
        """The signed root after the last record."""
        after = self.heads.get("after")
        return after[2] if after is not None else Tree(self.first, self.frontier).root()

    def _check_frame(self, paths: dict[str, list[bytes]]) -> None:
        for origin, _size, _root in self.heads.values():
            if origin != self.origin:
                raise Tampered("A checkpoint of another log is in the bundle.")
        before, after = self.heads.get("before"), self.heads.get("after")
        if self.first and (before is None or before[1] != self.first):
            raise Undecided("The signed head before the first record is missing.")
        if before is not None and before[1] == self.first and before[2] != self.tree.root():
            raise Tampered("What comes before the records is not what was signed.")
        if self.end and (after is None or after[1] != self.end):
            raise Undecided("The signed head after the last record is missing.")
        for place, path in paths.items():
            later = self.heads.get(place)
            if after is None or later is None:
                continue
            if not is_consistent(after[1], later[1], after[2], later[2], path):
                raise Tampered(f"The {place} head does not extend the head after the records.")


class Result:
    """What was checked, what was found, what was not looked at."""

    def __init__(self) -> None:
        self.checks: list[str] = []
        self.not_checked: list[str] = [
            "whether records tell the truth, and whether everything was recorded",
        ]
        self.facts: dict[str, Any] = {}
        self.problem: str | None = None
        self.status = VALID

    def show(self, *, as_json: bool) -> int:
        """Print the result; return the exit status."""
        if as_json:
            value = {
                "result": WORDS[self.status].lower().replace(" ", "_"),
                "problem": self.problem,
                "checked": self.checks,
                "not_checked": self.not_checked,
                **self.facts,
            }
            print(json.dumps(value, indent=1, ensure_ascii=False))
            return self.status
        for line in self.checks:
            print(f"  ok  {line}")
        for line in self.not_checked:
            print(f"  --  not checked: {line}")
        if self.problem:
            print(f"  !!  {self.problem}")
        print(WORDS[self.status])
        return self.status


def check_bundle(arguments: argparse.Namespace, result: Result) -> None:
    """Check a bundle: its files, its signed heads, its records."""
    bundle = Bundle(Path(arguments.target))
    key = _keys(arguments)
    _check_manifest(bundle, key, result)
    frame = Slice(bundle, key)
    result.checks.append(f"{len(frame.heads)} checkpoints are signed by {key.name}")
    if frame.heads:  # the newest is enough: the others are shown to be its beginnings
        key.report_second(max(frame.heads.values(), key=lambda head: head[1]), result)
    records = check_records(bundle, frame, arguments, result)
    result.facts |= {
        "log": frame.origin,
        "first": frame.first,
        "end": frame.end,
        "records": records.count,
        "kinds": {kind.decode(): count for kind, count in sorted(records.kinds.items())},
    }
    _check_anchors(bundle, arguments, result)


def check_records(
    bundle: Bundle,
    frame: Slice,
    arguments: argparse.Namespace,
    result: Result,
    wanted: int | None = None,
) -> Records:
    """Hash and place every record. *wanted* is a size of which the root is to be kept."""
    count = frame.end - frame.first
    parse = arguments.parse or count <= PARSE_UP_TO
    path = bundle.plain_path(RECORDS)
    processes = max(1, arguments.processes)
    with tempfile.TemporaryDirectory(prefix="verifier-") as folder:
        records = Records(frame.origin, Path(folder), parse=parse)
        if processes > 1 and path is not None and count >= 2 * 256 * processes and wanted is None:
            _walk_in_parallel(bundle, path, frame, records, processes)
        else:
            _walk(bundle, frame, records, wanted=wanted)
        _check_root(bundle, frame)
        records.finish(from_the_start=frame.first == 0)
    result.checks.append(
        f"{count} records stand at the positions {frame.first} to {frame.end - 1}, unchanged, "
        "none left out, none twice, no writer's number missing"
        if count
        else "there are no records in the period"
    )
    if parse:
        result.checks.append("every record is in canonical form")
    else:
        result.not_checked.append("the inner form of each record (too many; ask with --parse)")
    if "latest" in frame.heads:
        result.checks.append(
            f"the newest checkpoint, over {frame.heads['latest'][1]} records, extends them"
        )
    return records


def _check_root(bundle: Bundle, frame: Slice) -> None:
    if frame.tree.end != frame.end or frame.tree.root() != frame.end_root():
        raise _other_records(bundle, frame)


def _other_records(bundle: Bundle, frame: Slice) -> Tampered:
    return Tampered(
        "The records are not those that were signed: at least one between the positions "
        f"{frame.first} and {frame.end} was changed, added, left out or moved."
        + _closer(bundle, frame)
    )


def _closer(bundle: Bundle, frame: Slice) -> str:
    """Name the record, where the bundle brings the leaf hashes and they are those signed."""
    name = "proofs/leaf_hashes.bin"
    if name not in bundle.names():
        return ""
    tree = Tree(frame.first, frame.frontier)
    with bundle.open(name) as hashes:
        while block := hashes.read(32 * 8192):
            tree.extend([block[start : start + 32] for start in range(0, len(block), 32)])
    if tree.end != frame.end or tree.root() != frame.end_root():
        return ""
    position = frame.first
    with bundle.open(name) as hashes:
        for line in _lines(bundle):
            if hashes.read(32) != leaf_hash(line):
                return f" The first that is wrong is at position {position}{_named(line)}."
            position += 1
    return f" From position {position} on they are missing." if position < frame.end else ""


def _named(line: bytes) -> str:
    found = _TAIL.search(line)
    return f" (it calls itself {found.group(1).decode()})" if found else ""


def _walk(bundle: Bundle, frame: Slice, records: Records, *, wanted: int | None = None) -> None:
    """Hash, place and look at every record; *wanted* is a size of which the root is kept."""
    with bundle.open(RECORDS) as file:
        problem = _share(file, frame.tree, records, wanted=wanted, frame=frame)
    if problem is not None:
        raise problem


def _share(
    file: IO[bytes],
    tree: Tree,
    records: Records,
    *,
    length: int | None = None,
    wanted: int | None = None,
    frame: Slice | None = None,
) -> Tampered | None:
    """Go through the lines of a file, or of *length* bytes of it; the first thing that is wrong."""
    begun = hashlib.sha256(b"\x00").copy
    problem: Tampered | None = None
    position = tree.end
    leaves: list[bytes] = []
    for buffer, ends in _blocks(file, length):
        if problem is None:
            try:
                records.look(position, buffer, ends)
            except Tampered as found:
                problem = found
        view, start = memoryview(buffer), 1
        for end in islice(ends, 1, None):
            leaf = begun()
            leaf.update(view[start:end])  # where the line lies, without a copy
            leaves.append(leaf.digest())
            start = end + 1
        position += len(ends) - 1
        if wanted is not None and tree.end <= wanted <= position:
            cut = wanted - tree.end
            tree.extend(leaves[:cut])
            leaves, wanted = leaves[cut:], None
            if frame is not None:
                frame.wanted_root = tree.root()
        if len(leaves) >= 4096:  # whole blocks of 256 are folded fastest
            whole = len(leaves) - (tree.end + len(leaves)) % 256
            tree.extend(leaves[:whole])
            del leaves[:whole]
    tree.extend(leaves)
    return problem


def _blocks(file: IO[bytes], length: int | None = None) -> Iterator[tuple[bytearray, list[int]]]:
    """The lines of a file, some hundred at once: a buffer, and where in it lines end.

    The first end is that of the line before. The buffer is used again for the next lines.
    """
    buffer = bytearray(1 << 19)  # what a processor's cache holds
    view, find, held = memoryview(buffer), buffer.find, 1
    buffer[0] = _LINE_END
    while True:
        got = file.readinto(view[held:] if length is None else view[held : held + length])  # type: ignore[attr-defined]
        if not got:
            break
        length = None if length is None else length - got
        end, held = held - 1, held + got
        ends = [0]
        while (end := find(b"\n", end + 1, held)) >= 0:
            ends.append(end)
        if len(ends) > 1:
            yield buffer, ends
        elif held == len(buffer):
            raise Tampered("A line is longer than any record can be.")
        rest = ends[-1]
        view[: held - rest] = view[rest:held]
        held -= rest
    if held > 1:  # a last line without an end
        buffer[held] = _LINE_END
        yield buffer, [0, held]


def _walk_in_parallel(
    bundle: Bundle, path: Path, frame: Slice, records: Records, processes: int
) -> None:
    """:func:`_walk` with processes that each take a part of the file, this one the first."""
    cuts = _cuts(path, processes)
    running = _start(path, cuts, frame, records)
    try:
        with path.open("rb") as file:
            problem = _share(file, frame.tree, records, length=cuts[1])
        outcomes = [outcome.recv() for _process, outcome, _begin in running]
    except EOFError:
        raise Undecided("A process ended before it had looked at its part.") from None
    finally:
        for process, _outcome, _begin in running:
            process.terminate()
            process.join()
    for _begin, _nodes, found, _seen in outcomes:
        if isinstance(found, OSError):  # then nothing is decided
            raise found
    for begin, nodes, found, seen in outcomes:
        if problem is None and begin != frame.tree.end:
            problem = _other_records(bundle, frame)
        if problem is not None:
            break
        for node in nodes:
            frame.tree.add(*node)
        records.join(seen)
        problem = found
    if problem is not None:
        raise problem


def _start(path: Path, cuts: list[int], frame: Slice, records: Records) -> list[Any]:
    """A process for each part but the first, where it reports, and where it tells its begin.

    Where a part begins in the tree is told from behind: the last one ends where the slice does, and
    each process counts its lines and tells the one before it where it begins. Whether the part
    before ends there shows when their subtrees are put together.
    """
    import multiprocessing  # nobody else should wait until it is read

    context: Any = multiprocessing.get_context(_START)
    running: list[Any] = []
    end: Any = frame.end
    for mark in reversed(range(1, len(cuts) - 1)):
        begin, tell = context.Pipe(duplex=False)
        outcome, report = context.Pipe(duplex=False)
        own = Records(frame.origin, records.names.path.parent, parse=records.parse, mark=mark)
        job = (path, cuts[mark], cuts[mark + 1] - cuts[mark], end, own)
        process = context.Process(target=_walk_part, args=(job, tell, report))
        process.start()
        tell.close()
        report.close()
        running.insert(0, (process, outcome, begin))
        end = begin
    return running


def _cuts(path: Path, processes: int) -> list[int]:
    """Where to cut the file: each part from the begin of a line to the end of one.

    The first is larger by what the others count meanwhile.
    """
    size = path.stat().st_size
    cuts = {0, size}
    with path.open("rb") as file:
        for number in range(1, processes):
            file.seek(int(size * (number + _COUNTING) / (processes + _COUNTING)))
            cuts.add(file.tell() + len(file.readline()))
    return sorted(cuts)


def _walk_part(job: tuple[Path, int, int, Any, Records], tell: Any, report: Any) -> None:
    """In a process of its own: report where a part begins, its subtrees, what is wrong, the rest.

    *job* names the part's file, place and length, the position behind it or where to hear that.
    """
    path, start, length, end, records = job
    begin, tree = 0, Tree()
    problem: Exception | None = None
    try:
        with path.open("rb") as file:
            file.seek(start)
            count = sum(len(ends) - 1 for _buffer, ends in _blocks(file, length))
            begin = tree.end = (end if isinstance(end, int) else end.recv()) - count
            tell.send(begin)
            file.seek(start)
            problem = _share(file, tree, records, length=length)
    except (Tampered, OSError, EOFError) as found:
        problem = found
    tell.close()
    report.send((begin, tree.nodes, problem, records.share()))


def _check_manifest(bundle: Bundle, key: Key, result: Result) -> None:
    names = set(bundle.names())
    if "MANIFEST.json" not in names:
        result.not_checked.append("the other files: there is no MANIFEST.json")
        return
    data = bundle.text("MANIFEST.json").encode()
    try:
        files = {entry["path"]: entry for entry in json.loads(data)["files"]}
    except (ValueError, KeyError, TypeError):
        raise Tampered("MANIFEST.json is malformed.") from None
    for name, entry in files.items():
        _check_member(bundle, name, entry)
        if entry.get("followed_by") == "seal":
            result.not_checked.append(f"the seal at the end of {name}: ask a PDF reader or pdfsig")
    added = names - set(files) - {"MANIFEST.json", "MANIFEST.json.sig", "SHA256SUMS"}
    if added:
        raise Tampered(f"{min(added)} is in the bundle, but not in MANIFEST.json.")
    if "SHA256SUMS" in names:
        _check_sums(bundle, names, files)
    result.checks.append(f"{len(files)} files are those that MANIFEST.json names")
    if "MANIFEST.json.sig" not in names:
        result.not_checked.append("MANIFEST.json itself: it is not signed")
        return
    text, signatures = split_note(bundle.text("MANIFEST.json.sig"))
    if text != f"lex-custis/manifest/v1\nsha256 {hashlib.sha256(data).hexdigest()}\n":
        raise Tampered("MANIFEST.json is not the one that was signed.")
    if not key.signed(text, signatures):
        raise Tampered(f"MANIFEST.json is not signed by {key.name}.")
    result.checks.append(f"MANIFEST.json is signed by {key.name}")


def _check_sums(bundle: Bundle, names: set[str], files: dict[str, Any]) -> None:
    """SHA256SUMS is for readers with other tools: it must tell them the same."""
    lines = bundle.text("SHA256SUMS").splitlines()
    told = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in sorted(names - {"SHA256SUMS"}):
        entry = files.get(name, {})
        if "sha256" not in entry or "followed_by" in entry:
            with bundle.open(name) as file:
                entry = {"sha256": hashlib.sha256(file.read()).hexdigest()}
        if told.get(name) != entry["sha256"]:
            raise Tampered(f"SHA256SUMS does not name {name} as it is.")


def _check_member(bundle: Bundle, name: str, entry: dict[str, Any]) -> None:
    """Compare size and hash; of a member that a seal is appended to, those of what it covers."""
    digest, size = hashlib.sha256(), 0
    limit = entry["bytes"] if entry.get("followed_by") == "seal" else sys.maxsize
    try:
        with bundle.open(name) as file:
            while block := file.read(min(1 << 20, limit - size)):
                digest.update(block)
                size += len(block)
    except Undecided:
        raise Tampered(f"{name} is missing from the bundle.") from None
    if digest.hexdigest() != entry["sha256"] or size != entry["bytes"]:
        raise Tampered(f"{name} is not the file that MANIFEST.json names.")


def _check_anchors(bundle: Bundle, arguments: argparse.Namespace, result: Result) -> None:
    """Witnesses and time stamps over the checkpoints, as far as keys for them were given."""
    names = sorted(bundle.names())
    for vkey in arguments.witness:
        witness = Key(vkey)
        if "proofs/checkpoint_anchored.txt" not in names:
            raise Undecided("No checkpoint in the bundle is anchored.")
        note = bundle.text("proofs/checkpoint_anchored.txt")
        if "proofs/checkpoint_anchored.cosignatures" in names:
            note += bundle.text("proofs/checkpoint_anchored.cosignatures")
        if not witness.signed(*split_note(note)):
            raise Undecided(f"The anchored checkpoint is not cosigned by {witness.name}.")
        result.checks.append(f"the anchored checkpoint is cosigned by {witness.name}")
    if not arguments.witness:
        result.not_checked.append("cosignatures of witnesses (give their keys with --witness)")
    stamps = [name for name in names if name.endswith(".tsr")]
    if not stamps or not arguments.tsa_ca:
        what = "there are none" if not stamps else "give the authority with --tsa-ca"
        result.not_checked.append(f"time stamps ({what})")
        return
    for name in stamps:
        _check_stamp(bundle, name, arguments.tsa_ca)
    result.checks.append(f"{len(stamps)} time stamps fit their checkpoints")


def _check_stamp(bundle: Bundle, name: str, authority: str) -> None:
    if shutil.which("openssl") is None:
        raise Undecided("Time stamps are checked with the program openssl, which is not here.")
    note = "proofs/" + name.rpartition("/")[2].partition(".")[0] + ".txt"
    with tempfile.TemporaryDirectory() as folder:
        stamp, data = Path(folder, "stamp"), Path(folder, "data")
        with bundle.open(name) as file:
            stamp.write_bytes(file.read())
        with bundle.open(note) as file:
            data.write_bytes(file.read())
        command = ["openssl", "ts", "-verify", "-in", str(stamp), "-data", str(data)]
        command += ["-CAfile", authority]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            raise Tampered(f"The time stamp {name} does not fit {note}.")


# -- One record's proof ----------------------------------------------------------------------------


def check_proof(arguments: argparse.Namespace, result: Result) -> None:
    """Check that one record stands in a signed tree."""
    text = _read_text(arguments.target)
    if text.lstrip().startswith("{"):
        try:
            value = json.loads(text)
            record = unbase64(value["record"])
            index, path = value["index"], [unbase64(item) for item in value["path"]]
            note = value["checkpoint"]
        except (ValueError, KeyError, TypeError):
            raise Tampered("The proof is malformed.") from None
    else:
        index, path, note = _parse_tlog_proof(text)
        if not arguments.record:
            raise Undecided("A .tlog-proof needs the record beside it: --record FILE.")
        record = Path(arguments.record).read_bytes().rstrip(b"\n")
    key = _keys(arguments)
    origin, size, root = read_checkpoint(note, key)
    key.report_second((origin, size, root), result)
    if inclusion_root(leaf_hash(record), index, size, path) != root:
        raise Tampered("The record is not at this place in the signed tree.")
    try:
        look_closely(record, origin.encode(), parse=True)
    except ValueError as error:
        raise Tampered(f"Position {index}: {error}.") from None
    result.checks.append(f"the record stands at position {index} of {size} in {origin}")
    result.facts |= {"log": origin, "index": index, "size": size}


def _parse_tlog_proof(text: str) -> tuple[int, list[bytes], str]:
    head, found, note = text.partition("\n\n")
    lines = head.split("\n")
    if lines[:1] != ["c2sp.org/tlog-proof@v1"] or not found:
        raise Tampered("This is not a proof of the format c2sp.org/tlog-proof@v1.")
    rest = lines[2:] if lines[1].startswith("extra ") else lines[1:]
    try:
        word, number = rest[0].split(" ")
        path = [unbase64(line) for line in rest[1:]]
        if word != "index" or str(int(number)) != number:
            raise ValueError
    except (ValueError, IndexError):
        raise Tampered("The proof is malformed.") from None
    return int(number), path, note


# -- Watching a log grow ---------------------------------------------------------------------------


def watch(arguments: argparse.Namespace, result: Result) -> None:
    """Compare with the head seen last: nobody can rewrite an outsider's memory."""
    key, path = _keys(arguments), Path(arguments.state)
    known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    target = Path(arguments.target)
    if target.is_dir() or zipfile.is_zipfile(target):
        head = _watch_bundle(target, key, known, arguments, result)
    else:
        head = read_checkpoint(_read_text(arguments.target), key)
        _compare(head, known.get(head[0]), arguments)
    key.report_second(head, result)
    origin, size, root = head
    known[origin] = {"size": size, "root": base64.b64encode(root).decode()}
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
    fresh.replace(path)
    result.checks.append(f"{origin} has {size} records and only grew since you looked last")
    result.facts |= {"log": origin, "size": size}


def _watch_bundle(
    target: Path,
    key: Key,
    known: dict[str, Any],
    arguments: argparse.Namespace,
    result: Result,
) -> Head:
    bundle = Bundle(target)
    frame = Slice(bundle, key)
    seen = known.get(frame.origin)
    wanted = seen["size"] if seen else None
    check_records(bundle, frame, arguments, result, wanted)
    head = frame.heads.get("latest") or frame.heads.get("after")
    if head is None:
        raise Undecided("The bundle has no checkpoint.")
    if seen is None or not wanted:
        return head
    for _origin, size, root in frame.heads.values():
        if size == wanted:
            frame.wanted_root = root
    if head[1] < wanted:
        raise Tampered(f"You have seen {wanted} records of this log; now there are {head[1]}.")
    found = frame.wanted_root
    if found is None:
        _compare(head, seen, arguments)
    elif base64.b64encode(found).decode() != seen["root"]:
        raise Tampered(f"The first {wanted} records are not those that you saw before.")
    return head


def _compare(head: Head, seen: dict[str, Any] | None, arguments: argparse.Namespace) -> None:
    if seen is None:
        return
    _origin, size, root = head
    old_size, old_root = seen["size"], unbase64(seen["root"])
    if size < old_size:
        raise Tampered(f"You have seen {old_size} records of this log; now there are {size}.")
    path: list[bytes] = []
    if size > old_size:
        if not arguments.consistency:
            raise Undecided(
                f"A proof from size {old_size} to size {size} is needed: --consistency FILE "
                f"(GET /api/v1/audit/consistency?old_size={old_size}&new_size={size})."
            )
        path = [unbase64(item) for item in json.loads(_read_text(arguments.consistency))["path"]]
    if not is_consistent(old_size, size, old_root, root, path):
        raise Tampered("The log is not the one that you saw before: its past was changed.")


# -- Disclosed content -----------------------------------------------------------------------------


def check_content(arguments: argparse.Namespace, result: Result) -> None:
    """Compare disclosed texts with the commitments in the bundle's records.

    Each line of the disclosed file: {"id", "slot", "salt", "content"}, the last two in base64.
    """
    disclosed: dict[tuple[str, str], dict[str, str]] = {}
    for line in _read_text(arguments.disclosed).splitlines():
        entry = json.loads(line)
        disclosed[entry["id"], entry["slot"]] = entry
    counts = {"match": 0, "withheld": 0, "erased": 0}
    erased: set[tuple[str, str]] = set()
    silent: list[tuple[str, str]] = []
    for data in _lines(Bundle(Path(arguments.target))):
        record = parse_record(data)
        if record["kind"] in ("content.erased", "content.expired"):
            for entry in record["body"].get("lexcustis.erased", []):
                erased |= {(entry["record"], slot) for slot in entry["slots"]}
        for slot, promised in record["content"].items():
            entry = disclosed.pop((record["id"], slot), None)
            if entry is None:
                silent.append((record["id"], slot))
                continue
            if commitment(record, slot, promised, entry) != promised["commitment"]:
                raise Tampered(f"The text “{slot}” of record {record['id']} is not the original.")
            counts["match"] += 1
    if disclosed:
        identifier, slot = next(iter(disclosed))
        raise Undecided(f"The bundle has no “{slot}” of record {identifier}.")
    for place in silent:
        counts["erased" if place in erased else "withheld"] += 1
    result.checks.append(f"{counts['match']} texts are those that were recorded")
    result.not_checked.append(
        f"{counts['withheld']} texts that were not disclosed; {counts['erased']} were erased"
    )
    result.not_checked.append("the records themselves: check the bundle too")
    result.facts |= counts


def commitment(
    record: dict[str, Any], slot: str, promised: dict[str, Any], entry: dict[str, str]
) -> str:
    """The commitment to a disclosed text."""
    content = unbase64(entry["content"])
    fields = ("aal/1/commit", record["log"], record["id"], slot, promised["media"])
    head = "".join(f"{field}\n" for field in (*fields, len(content))).encode()
    digest = hashlib.sha256(unbase64(entry["salt"]) + head + content).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _lines(bundle: Bundle) -> Iterator[bytes]:
    with bundle.open(RECORDS) as file:
        for line in file:
            yield line.rstrip(b"\n")


# -- Self-test -------------------------------------------------------------------------------------


def selftest(_arguments: argparse.Namespace, result: Result) -> None:
    """Known answers: RFC 8032 section 7.1, RFC 6962 trees, the formats of this program."""
    for public, message, signature in _RFC_8032:
        key, data, mark = bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature)
        wrong = bytes([mark[0] ^ 1]) + mark[1:]
        for verify in (ed25519, ed25519_by_definition):
            if not verify(key, mark, data) or verify(key, wrong, data):
                raise Tampered("Ed25519 does not work here.")
    leaves = [leaf_hash(bytes([number])) for number in range(70)]
    roots = []
    for size in range(71):
        tree = Tree()
        tree.extend(leaves[:size])
        roots.append(tree.root())
    if hashlib.sha256(b"".join(roots)).hexdigest() != _ROOTS:
        raise Tampered("Trees are not hashed as in RFC 6962.")
    result.checks.append("Ed25519 and Merkle trees give the known answers")
    result.not_checked = []


_ROOTS = "23fe4fcbe5895bb18d78578a6eba6cd76fa99a456605170a515898972a3b4a77"
# RFC 8032 section 7.1, TEST 1, 2 and 3: public key, message, signature.
_RFC_8032 = (
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        (
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155"
            "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"
        ),
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        (
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
            "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
        ),
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        (
            "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
            "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
        ),
    ),
)


# -- Command line ----------------------------------------------------------------------------------


def _read_text(name: str) -> str:
    try:
        return Path(name).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise Undecided(f"There is no {name}.") from None
    except UnicodeDecodeError:
        raise Tampered(f"{name} is not text.") from None


_WHAT_TO_DO = """To check the dossier in this folder:

    python verifier.py . --key KEY

KEY is the log's verification key, from outside the bundle: a letter, a contract, an earlier
dossier. "python verifier.py --help" says what else can be checked."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(USAGE)


COMMANDS = {
    "bundle": check_bundle,
    "proof": check_proof,
    "watch": watch,
    "content": check_content,
    "selftest": selftest,
}


def _arguments(given: list[str]) -> argparse.Namespace:
    if given and given[0] not in COMMANDS and not given[0].startswith("-"):
        given = ["bundle", *given]
    parser = _Parser(
        prog="verifier.py",
        description=(__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True, parser_class=_Parser)
    for name in COMMANDS:
        command = commands.add_parser(name)
        command.add_argument("--json", action="store_true", help="print one JSON object")
        if name == "selftest":
            continue
        command.add_argument("target", help="the file or folder to check")
        if name != "content":
            command.add_argument("--key", required=True, help="the log's verification key")
            command.add_argument("--second-key", help="the log's second key, of ML-DSA-44")
        if name in ("bundle", "watch"):
            command.add_argument("--processes", type=int, default=1, help="to hash with")
            command.add_argument("--parse", action="store_true", help="parse every record")
        if name == "bundle":
            command.add_argument("--witness", action="append", default=[], help="a witness's key")
            command.add_argument("--tsa-ca", help="PEM of the time stamp authority")
        if name == "proof":
            command.add_argument("--record", help="the record's bytes, for a .tlog-proof")
        if name == "watch":
            command.add_argument("--state", required=True, help="where to remember heads")
            command.add_argument("--consistency", help="proof from the head seen last")
        if name == "content":
            command.add_argument("--disclosed", required=True, help="the disclosed texts")
    return parser.parse_args(given)


def main(given: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = sys.argv[1:] if given is None else given
    if not given:
        print(_WHAT_TO_DO, file=sys.stderr)
        return USAGE
    arguments = _arguments(given)
    result = Result()
    try:
        COMMANDS[arguments.command](arguments, result)
    except Tampered as problem:
        result.status, result.problem = TAMPERED, str(problem)
    except Undecided as problem:
        result.status, result.problem = UNDECIDED, str(problem)
    except (zipfile.BadZipFile, EOFError, UnicodeDecodeError) as problem:
        result.status, result.problem = TAMPERED, f"The bundle is damaged: {problem}"
    except (OSError, ValueError, KeyError, TypeError) as problem:
        result.status, result.problem = UNDECIDED, f"A file cannot be read: {problem}"
    return result.show(as_json=arguments.json)


if __name__ == "__main__":
    gc.disable()  # no record leaves a cycle behind; looking for some costs a thirtieth of the time
    sys.exit(main())

"""Streams that are cut off by their readers, and what is left of them: promises P3 and P4.

Every stream says a word of its own. Whatever arrives, and whatever is recorded, must be of that
word alone; nothing may stay open; every call must have its one recorded ending; and the usage of
those that were whole must be what the upstream said.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import uvloop

from benchmarks.gateway_client import Seen, Stream, Target, ended, open_stream, told
from benchmarks.gateway_launch import HELD_PATH

# How long the product may take until nothing of the last stream is left.
SETTLE_SECONDS = 30.0
_BATCH = 500
_ENDINGS = ("completed", "stopped", "failed", "blocked", "interrupted")


@dataclass(frozen=True)
class Cut:
    """One stream, its word, and whether its reader left early."""

    word: str
    seen: Seen
    early: bool


def cut_streams(
    target: Target, model: str, count: int, *, at_once: int, whole: float, longest: float
) -> list[Cut]:
    """*count* streams, *at_once* of them at a time; all but the share *whole* are left early.

    A reader leaves after a random time of at most *longest* seconds: before the first token, in
    the middle, or with the last byte.
    """
    chance = random.Random(7)
    numbers = iter(range(count))
    cuts: list[Cut] = []

    async def reader() -> None:
        for number in numbers:
            word = f"w{model[:4]}{number:06d}x"
            patience = None if chance.random() < whole else chance.random() * longest
            cuts.append(await _read(target, model, word, patience))

    async def readers() -> None:
        await asyncio.gather(*(reader() for _ in range(at_once)))

    uvloop.run(readers())
    return cuts


async def _read(target: Target, model: str, word: str, patience: float | None) -> Cut:
    request = target.request(model, word=word)
    stream: Stream = await open_stream(target, request, word, keep=True)
    if patience is None:
        return Cut(word, await ended(stream), early=False)
    await asyncio.wait({stream.over}, timeout=patience)
    early = not stream.over.done()
    if early:
        stream.go()
    return Cut(word, stream.seen, early)


def foreign(cuts: Sequence[Cut]) -> list[str]:
    """The words of the streams that got anything but their own text."""
    return [cut.word for cut in cuts if not _is_own(cut.word, _text_of(bytes(cut.seen.received)))]


def broken(cuts: Sequence[Cut]) -> list[str]:
    """What was wrong with those that were to be whole, or were refused."""
    return [cut.seen.problem for cut in cuts if cut.seen.problem]


def closing_ms(cuts: Sequence[Cut], journal: Mapping[str, Mapping[str, Any]]) -> list[float]:
    """From a reader's leaving to the end of the call upstream, for every call that was cut."""
    over = {call["word"].strip(): call for call in journal.values()}
    waited = []
    for cut in cuts:
        call = over.get(cut.word)
        if cut.early and call is not None and not call["completed"]:
            end = call["over"] if call["over"] is not None else float("inf")
            waited.append(max(end - cut.seen.over, 0) * 1000)
    return waited


def left_over(target: Target, upstream: Target) -> dict[str, int]:
    """What is still open after a while: calls upstream, database connections, calls unended."""
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        left = {
            "upstream calls": told(upstream.port, "/open"),
            "database connections": held(target)["held"],
            "calls without an ending": _unended(),
        }
        if not any(left.values()) or time.monotonic() > deadline:
            return left
        time.sleep(0.5)


def held(target: Target) -> dict[str, int]:
    """What the process at *target*, which is ``watched``, holds of its database."""
    address = f"http://127.0.0.1:{target.port}{HELD_PATH}"
    with urllib.request.urlopen(address, timeout=60) as answer:
        found: dict[str, int] = json.loads(answer.read())
        return found


@dataclass(frozen=True)
class Books:
    """The log's records of calls, held against the upstream's journal."""

    requested: int
    without_one_ending: int
    completed: int
    wrong_usage: list[str]
    foreign_text: list[str]


def audit_books(journal: Mapping[str, Mapping[str, Any]]) -> Books:
    """Read every record of a call, and compare."""
    from orgs.models import Organisation

    organisation_id = Organisation.objects.get().pk
    requested = {record_id for record_id, _ in _records(organisation_id, ["inference.requested"])}
    endings: Counter[str] = Counter()
    completed, wrong_usage, answers = 0, [], {}
    kinds = [f"inference.{ending}" for ending in _ENDINGS]
    for record_id, record in _records(organisation_id, kinds):
        endings.update(link["id"] for link in record["links"] if link["rel"] == "request")
        body = record["body"]
        call = journal.get(body.get("gen_ai.response.id", ""))
        if call is not None and "response" in record.get("content", {}):
            answers[record_id] = call["word"]
        if record["kind"] == "inference.completed":
            completed += 1
            said = call and (call["input_tokens"], call["output_tokens"], "provider")
            names = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")
            if said != (*(body.get(name) for name in names), body.get("lexcustis.usage.source")):
                wrong_usage.append(str(record_id))
    return Books(
        len(requested),
        sum(endings[str(record_id)] != 1 for record_id in requested),
        completed,
        wrong_usage,
        _foreign_records(organisation_id, answers),
    )


def _records(organisation_id: UUID, kinds: Sequence[str]) -> Iterator[tuple[UUID, dict[str, Any]]]:
    from audit.models import Record, RecordIndex

    index = RecordIndex.objects.for_organisation(organisation_id).filter(kind__in=kinds)
    ids = list(index.values_list("pk", flat=True))
    for start in range(0, len(ids), _BATCH):
        rows = Record.objects.filter(pk__in=ids[start : start + _BATCH])
        for record_id, data in rows.values_list("pk", "bytes"):
            yield record_id, json.loads(bytes(data))


def _foreign_records(organisation_id: UUID, answers: Mapping[UUID, str]) -> list[str]:
    """The records whose answer is not of their own word."""
    from audit.reading import read_contents

    found, ids = [], list(answers)
    for start in range(0, len(ids), _BATCH):
        places = [(record_id, "response") for record_id in ids[start : start + _BATCH]]
        for (record_id, _), text in read_contents(organisation_id, places).items():
            if text is None or not _is_own(answers[record_id].strip(), text.decode()):
                found.append(str(record_id))
    return found


def _unended() -> int:
    from llm.models import Inference

    return Inference.unscoped.filter(state=Inference.State.STARTED).count()


def _is_own(word: str, text: str) -> bool:
    """Whether *text* is the beginning of the word's own answer."""
    own = f"{word} {word}\n"
    return text == (own * (len(text) // len(own) + 1))[: len(text)]


def _text_of(received: bytes) -> str:
    """The text in a stream of chunks, as far as its events are whole."""
    _, _, body = received.partition(b"\r\n\r\n")
    plain, text = _unchunked(body), ""
    for line in plain.split(b"\n\n")[:-1]:
        if line.startswith(b"data: {"):
            for choice in json.loads(line[6:]).get("choices", ()):
                text += choice["delta"].get("content") or ""
    return text


def _unchunked(body: bytes) -> bytes:
    """The body without the framing of HTTP's chunks (RFC 9112, 7.1), as far as it has come."""
    plain = bytearray()
    while b"\r\n" in body:
        size, _, body = body.partition(b"\r\n")
        length = int(size, 16)
        plain += body[:length]
        if len(body) < length or not length:
            break
        body = body[length + 2 :]
    return bytes(plain)

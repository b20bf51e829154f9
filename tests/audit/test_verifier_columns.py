"""Looking at many records at once is as strict as looking at each: the fast way accepts no more."""

from __future__ import annotations

import os
import random
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from audit import verifier
from audit.verifier import Numbers, Once, Records, Tampered, look_closely
from tests.audit.bundles import ORIGIN, OTHER, a_record, make_forge
from tests.audit.test_verifier import run

Change = Callable[[random.Random, bytes], bytes]


def one_byte(chance: random.Random, line: bytes) -> bytes:
    place = chance.randrange(len(line))
    return line[:place] + bytes([chance.randrange(256)]) + line[place + 1 :]


def in_the_end(chance: random.Random, line: bytes) -> bytes:
    place = len(line) - chance.randrange(1, 230)
    byte = chance.choice(b'"],[{}:0a7\n\\z.')
    return line[:place] + bytes([byte]) + line[place + chance.choice([0, 1]) :]


def cut(chance: random.Random, line: bytes) -> bytes:
    return line[: chance.randrange(len(line))]


def another_log(_chance: random.Random, line: bytes) -> bytes:
    return line.replace(ORIGIN.encode(), OTHER.encode())


def with_a_record_inside(_chance: random.Random, line: bytes) -> bytes:
    inner = line[line.index(b',"id":') :]
    return line.replace(b'"body":{', b'"body":{"a":{"a":1%b,' % inner)


def only_a_record_inside(chance: random.Random, line: bytes) -> bytes:
    return with_a_record_inside(chance, line)[:-1]


def without_links(_chance: random.Random, line: bytes) -> bytes:
    return line.replace(b'"links":[', b'"links":[[],')


def an_older_id(chance: random.Random, line: bytes) -> bytes:
    place = line.index(b'"id":"0') + 6 + chance.choice([14, 19])
    return line[:place] + chance.choice([b"4", b"c", b"G"]) + line[place + 1 :]


def as_it_was(_chance: random.Random, line: bytes) -> bytes:
    return line


CHANGES: list[Change] = [
    one_byte,
    in_the_end,
    cut,
    another_log,
    with_a_record_inside,
    only_a_record_inside,
    without_links,
    an_older_id,
    as_it_was,
]


def _lines(chance: random.Random) -> list[bytes]:
    lines = []
    for number in range(1, chance.randrange(3, 12)):
        ends = chance.random() < 0.4
        request = {"id": f"01a0c450-6c00-7bfe-8f4e-{number:012x}", "rel": "request"}
        lines.append(
            a_record(
                number,
                writer=chance.choice(["aa", "b" * 32]),
                number=number,
                kind="inference.completed" if ends else "inference.requested",
                links=[request] if ends else [],
                note="x" * chance.randrange(400),
            )
        )
    return lines


def _buffer(lines: list[bytes]) -> tuple[bytearray, list[int]]:
    data = b"\n" + b"".join(line + b"\n" for line in lines)
    return bytearray(data), [place for place, byte in enumerate(data) if byte == verifier._LINE_END]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_the_fast_way_accepts_what_the_close_look_accepts_and_no_more(
    change: Change, tmp_path: Path
) -> None:
    accepted = 0
    for seed in range(400):
        chance = random.Random(f"{change.__name__}{seed}")
        lines = _lines(chance)
        place = chance.randrange(len(lines))
        lines[place] = change(chance, lines[place])
        buffer, ends = _buffer(lines)
        records = Records(ORIGIN, tmp_path, parse=False)
        if chance.random() < 0.5:  # with a jump that earlier records have taught
            records._columns(*_buffer(_lines(chance)))
        columns = records._columns(buffer, ends)
        lines = bytes(buffer[1:-1]).split(b"\n")  # what was changed may hold a line's end
        try:
            closely = [look_closely(line, ORIGIN.encode(), parse=False) for line in lines]
        except ValueError:
            assert columns is None, lines[place]
            continue
        if columns is None:  # then the close look decides
            continue
        accepted += 1
        writers = [item.rpartition(b'"')[2] for item in columns.writers]
        assert columns.names == [item[0] for item in closely]
        assert columns.kinds == Counter(item[1] for item in closely)
        assert columns.requests == [item[2] for item in closely if item[2]]
        assert writers == [item[3] for item in closely]
        assert columns.numbers == [item[4] for item in closely]
        for writer, numbers in columns.by_writer.items():
            own = [item[4] for item in closely if item[3] == writer.rpartition(b'"')[2]]
            assert numbers == own
    harmless = change in {as_it_was, with_a_record_inside}  # what ends the line is the record's
    assert accepted == 400 if harmless else accepted < 400


def test_a_name_is_found_twice_wherever_it_stands(tmp_path: Path) -> None:
    for seed in range(60):
        chance = random.Random(seed)
        names = [b"%036x" % number for number in range(5000)]
        disorder = chance.choice([0, 3, 600, 5000])
        order = sorted(range(5000), key=lambda at: at + chance.random() * disorder)
        shuffled = [names[number] for number in order]
        again = chance.choice([None, chance.choice(names)])
        if again is not None:
            shuffled.insert(chance.randrange(5000), again)
        parts = [Once(tmp_path / f"{seed}-{part}") for part in range(chance.choice([1, 2]))]
        size = chance.choice([7, 300, 2000])
        for start in range(0, len(shuffled), size):
            share = min(len(parts) - 1, start // 2600)
            parts[share].add(shuffled[start : start + size])
        for part in parts[1:]:
            parts[0].join(part.share())
        assert parts[0].twice() == again, seed


def test_numbers_in_any_order_are_the_same_numbers() -> None:
    for seed in range(300):
        chance = random.Random(seed)
        numbers = list(range(1, 200))
        one_by_one, at_once = Numbers(), Numbers()
        if chance.random() < 0.5:
            numbers.insert(chance.randrange(199), chance.randrange(1, 200))
        order = sorted(range(len(numbers)), key=lambda at: at + chance.random() * 8)
        numbers = [numbers[place] for place in order]
        single = [one_by_one.add(number) for number in numbers]
        many = [
            at_once.add_many(numbers[start : start + 20]) for start in range(0, len(numbers), 20)
        ]
        assert all(single) == (many == [None] * len(many))


@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_processes_begin_as_each_system_lets_them(
    start: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "_START", start)
    forge = make_forge(random.Random(7), size=3000)
    forge.write(tmp_path)
    status, result = run(tmp_path, "--key", forge.vkey, "--processes", 3)
    assert (status, result.get("records")) == (0, forge.end - forge.first), result


@pytest.mark.parametrize("processes", [1, 2, 3])
def test_large_bundles_say_the_same_with_any_number_of_processes(
    processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "PARSE_UP_TO", 10)
    forge = make_forge(random.Random(5), size=4000)
    forge.first, forge.end = 77, 3911
    options = ("--key", forge.vkey, "--processes", processes)
    forge.write(tmp_path / "honest")
    status, result = run(tmp_path / "honest", *options)
    assert (status, result["records"]) == (0, 3911 - 77), result
    path = tmp_path / "honest" / "audit_log_period.jsonl"
    data = path.read_bytes()
    path.write_bytes(data[:-1])  # the last line's end is not part of a record
    assert run(tmp_path / "honest", *options)[0] == 0
    for wrong in (data + b"\n", data[1:], data.replace(b"simulated", b"different", 1), data + data):
        path.write_bytes(wrong)
        assert run(tmp_path / "honest", *options)[0] == 1
    request = {"id": forge.records[3].split(b'"id":"')[2][:36].decode(), "rel": "request"}
    for index in (500, 3500):
        record = forge.records[index]
        writer, number = record[:-2].split(b'"writer":["')[1].split(b'",')
        forge.records[index] = a_record(
            index,
            writer=writer.decode(),
            number=int(number),
            kind="inference.completed",
            links=[request],
        )
    forge.write(tmp_path / "twice")
    status, result = run(tmp_path / "twice", *options)
    assert status == 1
    assert "two endings" in result["problem"]
    for place, index in enumerate((3600, 401)):  # in another share, in the same share
        kept, forge.records[index] = forge.records[index], forge.records[400]
        forge.write(tmp_path / f"again-{place}")
        assert run(tmp_path / f"again-{place}", *options)[0] == 1
        forge.records[index] = kept


@pytest.mark.parametrize("processes", [2, 3])
def test_nothing_is_decided_where_a_process_was_killed(
    processes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = verifier._walk_part

    def killed(job: Any, tell: Any, report: Any) -> None:
        if job[3] == forge.end:  # the last part
            os.kill(os.getpid(), signal.SIGKILL)
        walk(job, tell, report)

    forge = make_forge(random.Random(6), size=3000)
    forge.write(tmp_path)
    monkeypatch.setattr(verifier, "_walk_part", killed)
    status, result = run(tmp_path, "--key", forge.vkey, "--processes", processes)
    assert (status, "ended before" in result["problem"]) == (2, True), result


def test_a_line_without_an_end_in_sight_is_refused(tmp_path: Path) -> None:
    forge = make_forge(random.Random(12))
    forge.write(tmp_path)
    path = tmp_path / "audit_log_period.jsonl"
    path.write_bytes(path.read_bytes() + b"x" * (1 << 20))
    status, result = run(tmp_path, "--key", forge.vkey)
    assert status == 1
    assert "longer than any record" in result["problem"]


def test_the_first_wrong_record_is_named_by_its_position(tmp_path: Path) -> None:
    lines = _lines(random.Random(1))
    lines[1] = another_log(random.Random(1), lines[1])
    with pytest.raises(Tampered, match=r"Position 11: record .* belongs to another log"):
        Records(ORIGIN, tmp_path, parse=False).look(10, *_buffer(lines))

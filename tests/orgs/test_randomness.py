"""Random bytes that are fetched ahead are given once: to one thread of one process."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

from orgs.randomness import random_bytes, random_uuid


def test_as_many_as_are_asked_for() -> None:
    for count in (0, 1, 12, 32, 4095, 4096, 4097, 10_000):
        assert len(random_bytes(count)) == count


def test_no_two_threads_get_the_same() -> None:
    with ThreadPoolExecutor(8) as threads:
        given = list(threads.map(lambda _number: random_bytes(16), range(20_000)))
    assert len(set(given)) == 20_000


def test_a_child_process_gets_none_of_its_parents() -> None:
    random_bytes(16)  # there is a stock to inherit
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        os.write(writing, random_bytes(2000))
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 2000)
    os.close(reading)
    os.close(writing)
    ours = random_bytes(2000)
    assert len(theirs) == 2000
    assert not {ours[n : n + 8] for n in range(1992)} & {theirs[n : n + 8] for n in range(1992)}


def test_uuids_are_of_version_4() -> None:
    made = {random_uuid() for _ in range(1000)}
    assert len(made) == 1000
    assert {(one.version, one.variant) for one in made} == {(4, "specified in RFC 4122")}

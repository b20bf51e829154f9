"""What threads hand over reaches those who wait, in whichever event loop, and nobody else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from orgs.handover import Answer, hand_over


def from_a_thread(answers: Sequence[Answer]) -> None:
    """Hand them over as the writer does."""
    thread = threading.Thread(target=hand_over, args=(answers,))
    thread.start()
    thread.join()


async def test_results_and_errors_reach_those_who_wait() -> None:
    loop = asyncio.get_running_loop()
    futures = [loop.create_future() for _ in range(3)]
    from_a_thread([(futures[0], "one"), (futures[1], LookupError("two")), (futures[2], None)])
    outcomes = await asyncio.gather(*futures, return_exceptions=True)
    assert [outcomes[0], str(outcomes[1]), outcomes[2]] == ["one", "two", None]


async def test_who_has_left_is_left_alone() -> None:
    loop = asyncio.get_running_loop()
    left, waits = loop.create_future(), loop.create_future()
    left.cancel()
    from_a_thread([(left, "one"), (waits, "two")])
    assert await waits == "two"
    assert left.cancelled()


def test_each_loop_gets_its_own_and_a_closed_one_nothing() -> None:
    closed = asyncio.new_event_loop()
    gone = closed.create_future()
    closed.close()
    all_wait = threading.Barrier(3)
    futures: list[asyncio.Future[int]] = []

    async def wait() -> int:
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        futures.append(future)
        all_wait.wait(10)
        return await asyncio.wait_for(future, 10)

    with ThreadPoolExecutor(2) as threads:
        found = [threads.submit(asyncio.run, wait()) for _ in range(2)]
        all_wait.wait(10)
        hand_over([(gone, 0), (futures[0], 7), (futures[1], 7)])
        assert [one.result(10) for one in found] == [7, 7]
    assert not gone.done()

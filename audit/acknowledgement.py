"""What a person waits for is answered when it is sealed, not only committed.

A settings page, a review's decision, an incident's step, an erasure: whoever is told that it is
done can rely on a signed checkpoint that covers its record. Committed it is in any case; where no
checkpoint comes in time, the answer says so and nothing else changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Collection

import structlog
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.conf import settings
from django.contrib import messages
from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware
from django.utils.translation import gettext_lazy as _

from audit.awaited import collecting
from audit.positions import signed_among
from audit.records import Receipt
from audit.state import is_sealing

logger = structlog.get_logger(__name__)

HEADER = "Lexcustis-Sealed"
NOT_YET = _(
    "What you did is recorded; it still waits for the next signed checkpoint of the audit log."
)
_FIRST_PAUSE_SECONDS = 0.005
_LONGEST_PAUSE_SECONDS = 0.1

_Answer = HttpResponseBase | Awaitable[HttpResponseBase]


@sync_and_async_middleware
def AcknowledgementMiddleware(  # noqa: N802 - Django names middleware like classes
    get_response: Callable[[HttpRequest], _Answer],
) -> Callable[[HttpRequest], _Answer]:
    """Hold an answer back until what it acknowledges is sealed, and say whether it is.

    Answers to requests that recorded nothing of the kind pass as they are.
    """
    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponseBase:
            with collecting() as collector:
                response: HttpResponseBase = await get_response(request)
            if collector.receipts:
                timeout = settings.SEALED_WITHIN_SECONDS
                is_sealed = timeout > 0 and await _wait(_Looks(collector.receipts, timeout))
                _say(request, response, is_sealed=is_sealed)
            return response

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponseBase:
        with collecting() as collector:
            response: HttpResponseBase = get_response(request)  # type: ignore[assignment]
        if collector.receipts:
            timeout = settings.SEALED_WITHIN_SECONDS
            is_sealed = timeout > 0 and wait_until_sealed(collector.receipts, timeout=timeout)
            _say(request, response, is_sealed=is_sealed)
        return response

    return synchronous


def _say(request: HttpRequest, response: HttpResponseBase, *, is_sealed: bool) -> None:
    """Programs read the header. People read it on a page, unless nobody is to wait anyway."""
    response.headers[HEADER] = "yes" if is_sealed else "no"
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    if is_page and not is_sealed and settings.SEALED_WITHIN_SECONDS > 0:
        messages.warning(request, NOT_YET, fail_silently=True)


def wait_until_sealed(receipts: Collection[Receipt], *, timeout: float) -> bool:
    """Wait until signed checkpoints cover all records; False if that takes over *timeout* seconds.

    Also False, and at once, where no sealer works or the database does not answer. The records stay
    committed either way; :mod:`audit.state` shows what holds sealing up.
    """
    if connection.in_atomic_block:
        raise RuntimeError("A record is sealed after its transaction; wait outside of it.")
    looks = _Looks(receipts, timeout)
    while (pause := looks.look()) is not None:
        time.sleep(pause)
    return looks.is_over


async def _wait(looks: _Looks) -> bool:
    """:func:`wait_until_sealed` that holds a thread while it looks, and none in between."""
    look = sync_to_async(looks.look)
    while not looks.is_over:
        pause = await look()
        if pause is None:
            break
        await asyncio.sleep(pause)
    return looks.is_over


class _Looks:
    """One look after the other until all records are sealed, or looking on is of no use."""

    def __init__(self, receipts: Collection[Receipt], timeout: float) -> None:
        self._origins = {receipt.origin for receipt in receipts}
        self._missing = {receipt.record_id for receipt in receipts}
        self._deadline = time.monotonic() + timeout
        self._pause = 0.0

    @property
    def is_over(self) -> bool:
        """Whether all of them are sealed."""
        return not self._missing

    def look(self) -> float | None:
        """Look once. The seconds to pause before the next look; None where there is none."""
        try:
            pause = self._look()
            # Back to the pool: where sealing is slow, those who wait must not use it up.
            connection.close_if_unusable_or_obsolete()
            return pause
        except Exception as error:  # the change is committed: it must not look like a failure
            logger.warning("acknowledgement.cannot_look", error=repr(error))
            with contextlib.suppress(Exception):
                connection.close()  # so that the rest of the request has a new one
            return None

    def _look(self) -> float | None:
        self._missing -= signed_among(self._missing)
        is_first = not self._pause
        if not self._missing or (is_first and not is_sealing(self._origins)):
            return None
        self._pause = min(self._pause * 1.5 or _FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS)
        left = self._deadline - time.monotonic()
        return min(self._pause, left) if left > 0 else None

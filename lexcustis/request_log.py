"""One line in the program's log for each request, and an id that ties everything to it.

The line holds method, path, status and duration: never a query string (people search for words
they wrote), a body, a header or a person's name.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import sync_and_async_middleware

from orgs.randomness import random_uuid

HEADER = "X-Request-ID"
# A proxy's id is taken over only in a form that cannot forge or flood a log line.
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{8,64}")
# An address that opens something by itself is a secret (P7).
_SECRET = re.compile(r"^/shared/[^/]+")
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

logger = structlog.get_logger(__name__)


@sync_and_async_middleware
def RequestLogMiddleware(  # noqa: N802 - Django names middleware like classes
    get_response: Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]],
) -> Callable[[HttpRequest], HttpResponse | Awaitable[HttpResponse]]:
    """Bind ``request_id`` for every log line of the request and answer it as ``X-Request-ID``."""
    if iscoroutinefunction(get_response):

        async def asynchronous(request: HttpRequest) -> HttpResponse:
            began = _begin(request)
            response: HttpResponse = await get_response(request)
            response[HEADER] = request_id()
            # What is sent at once leaves first: somebody waits for it, and for no line.
            line = partial(_log, request, response.status_code, _milliseconds(began))
            asyncio.get_running_loop().call_soon(line)
            return response

        return asynchronous

    def synchronous(request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        began = _begin(request)
        response = get_response(request)
        assert isinstance(response, HttpResponse) or hasattr(response, "status_code")
        response[HEADER] = request_id()  # type: ignore[index]
        _log(request, response.status_code, _milliseconds(began))
        return response

    return synchronous


def request_id() -> str:
    """The id of the request at hand, or an empty string outside of one."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def _begin(request: HttpRequest) -> float:
    given = request.headers.get(HEADER, "")
    # Cleared here and not at the end: a streamed answer goes on after the middleware is done.
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(
        request_id=given if _ACCEPTABLE.fullmatch(given) else str(random_uuid())
    )
    return time.perf_counter()


def _milliseconds(began: float) -> float:
    return round((time.perf_counter() - began) * 1000, 1)


def _log(request: HttpRequest, status: int, milliseconds: float) -> None:
    if request.path not in _QUIET:
        path = _SECRET.sub("/shared/…", request.path)
        logger.info("request", method=request.method, path=path, status=status, ms=milliseconds)

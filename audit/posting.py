"""One POST to an anchor: small, bounded in time, never redirected, deaf to the environment.

Anchors are configured by the instance's operator, not by its customers, so their addresses are
taken as they are; what they answer is data from outside and trusted in nothing.
"""

from __future__ import annotations

import ssl
import time
from dataclasses import dataclass
from functools import cache

import httpx2

MAX_ANSWER_BYTES = 64 * 1024
TIMEOUT_SECONDS = 15.0


class AnchorFailed(Exception):
    """The head was not anchored. The message says why and may be shown to the operator."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    media: str
    body: bytes


@cache
def _tls() -> ssl.SSLContext:
    """The system's authorities, read once: that takes longer than an exchange."""
    return httpx2.create_ssl_context(trust_env=False)


def post(address: str, body: bytes, *, media: str, timeout: float = TIMEOUT_SECONDS) -> Answer:
    """Send *body* and return the answer, whatever its status.

    *timeout* (seconds) bounds the whole exchange, also with a server that sends byte by byte.
    Raises :class:`AnchorFailed` when no answer of at most 64 KiB comes in time.
    """
    deadline = time.monotonic() + timeout
    limits = httpx2.Limits(max_connections=1, max_keepalive_connections=0)
    headers = {"Content-Type": media, "User-Agent": "lexcustis", "Accept-Encoding": "identity"}
    received = bytearray()
    try:
        with (
            httpx2.Client(
                timeout=timeout,
                trust_env=False,
                follow_redirects=False,
                limits=limits,
                verify=_tls(),
            ) as client,
            client.stream("POST", address, content=body, headers=headers) as response,
        ):
            for part in response.iter_raw():
                received += part
                if len(received) > MAX_ANSWER_BYTES:
                    raise AnchorFailed(f"The answer is larger than {MAX_ANSWER_BYTES} bytes.")
                if time.monotonic() > deadline:
                    raise AnchorFailed(f"No complete answer within {timeout:g} seconds.")
            media = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            return Answer(response.status_code, media, bytes(received))
    except httpx2.TimeoutException as error:
        raise AnchorFailed(f"No answer within {timeout:g} seconds.") from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise AnchorFailed(f"Cannot be reached: {str(error) or type(error).__name__}.") from error

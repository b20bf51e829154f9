"""The one module that talks HTTP to providers: clients, limits, timeouts, and the pinned address.

Redirects are not followed, and no size is unbounded. Who may be connected to, and which connections
are kept, is in :mod:`llm.providers.pinned`.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError
from yarl import URL

from llm.providers.addresses import BaseUrl, Network, UnsafeAddress
from llm.providers.errors import BadResponse, InvalidRequest, ProviderError, Unavailable
from llm.providers.failures import refusal
from llm.providers.framing import Framing, too_large
from llm.providers.pinned import CONNECT_SECONDS, client_for

CLOSE_SECONDS = 0.05
MAX_BODY_BYTES = 16 * 1024 * 1024
LARGE_BYTES = 1024 * 1024
MAX_STREAM_BYTES = 256 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024

_SENDABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")  # a header's value, in plain ASCII
_URL = re.compile(r"[!-~]+")

_Item = TypeVar("_Item")

Sign = Callable[[str, str, Mapping[str, str], bytes], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where calls go and how: everything about the connection, nothing about the vendor's words.

    ``identity`` tells pooled connections apart: the id of the provider setting. ``provider`` is
    the name shown to people. ``headers`` hold the key and so are not in the repr. ``sign``, where
    given, makes further headers from method, URL, headers and body.
    """

    identity: str
    provider: str
    base_url: BaseUrl
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    networks: tuple[Network, ...] = ()
    idle_seconds: float = 60.0
    total_seconds: float = 600.0
    ca_file: str = ""
    sign: Sign | None = field(default=None, repr=False)

    async def json(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        limit: int = MAX_BODY_BYTES,
    ) -> Any:
        """Call and return the parsed JSON of the answer. Raises :class:`ProviderError`."""
        async with self.call(method, path, body, headers=headers, seconds=seconds) as answer:
            return await answer.json(limit=limit)

    @asynccontextmanager
    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float | None = None,
        head_seconds: float | None = None,
    ) -> AsyncIterator[Answer]:
        """Call, and read the answer inside the block; leaving the block ends the call at once.

        *body* becomes JSON, unless it is bytes, whose media type is then in *headers*. A status
        other than 2xx raises what it stands for. *path* begins with a slash, or is a whole URL of
        the same origin. *head_seconds* is how long the answer's headers may take, else the
        setting's timeout.
        """
        url, sent, content = self._request(method, path, body, headers or {})
        deadline = time.monotonic() + (seconds or self.total_seconds)
        async with client_for(self.identity, self.base_url, self.networks, self.ca_file) as client:
            with _as_provider_errors(self.provider):
                head = (head_seconds or self.idle_seconds) + CONNECT_SECONDS
                async with asyncio.timeout(min(head, seconds or 1e9)):
                    response = await client.request(
                        method, url, headers=sent, data=content or None, allow_redirects=False
                    )
            answer = Answer(self, response, deadline)
            try:
                if not 200 <= response.status < 300:
                    raise refusal(
                        self.provider,
                        status=response.status,
                        headers=response.headers,
                        body=await answer.beginning(MAX_ERROR_BYTES),
                    )
                yield answer
            finally:
                await answer.aclose()

    def _request(
        self, method: str, path: str, body: Any, headers: Mapping[str, str]
    ) -> tuple[URL, dict[str, str], bytes]:
        """The address, all headers and the body of a call. Raises :class:`InvalidRequest`."""
        content = body if isinstance(body, bytes) else _json(body)
        url = path if path.startswith(self.base_url.origin + "/") else f"{self.base_url}{path}"
        sent = {
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "lexcustis",
            **self.headers,
            **headers,
        }
        if content and not isinstance(body, bytes):
            sent["content-type"] = "application/json"
        if self.sign is not None:
            sent.update(self.sign(method, url, sent, content))
        # Checked here, since the library's own complaint would quote the key.
        if not all(_SENDABLE.fullmatch(value) for value in sent.values()):
            raise InvalidRequest(
                f"The key or an option for {self.provider} holds characters that cannot be sent. "
                "Set it again, without spaces or line ends."
            )
        return self._url(url), sent, content

    def _url(self, text: str) -> URL:
        """*text* as it is sent, which must stay within the origin that was checked."""
        base = self.base_url
        try:
            url = URL(text, encoded=True)
            is_ours = (url.scheme, url.host, url.port) == (base.scheme, base.host, base.port)
        except ValueError:
            is_ours = False
        if not is_ours or not _URL.fullmatch(text):
            raise InvalidRequest(
                f"The address or model for {self.provider} cannot be part of a URL."
            )
        return url


class Answer:
    """A provider's answer with status 2xx, to be read once."""

    def __init__(
        self, upstream: Upstream, response: aiohttp.ClientResponse, deadline: float
    ) -> None:
        self._upstream = upstream
        self._response = response
        self._deadline = deadline
        self._readers: list[AsyncGenerator[Any, None]] = []

    @property
    def headers(self) -> Mapping[str, str]:
        """The answer's headers; names in any case."""
        return self._response.headers

    async def json(self, *, limit: int = MAX_BODY_BYTES) -> Any:
        """The whole body as JSON."""
        self.require_media("json")
        body = await self._read(limit)
        try:
            # A large body takes its time, in which other streams go on.
            parse = json.loads
            return await asyncio.to_thread(parse, body) if len(body) > LARGE_BYTES else parse(body)
        except (ValueError, RecursionError) as error:
            raise BadResponse(
                f"{self._upstream.provider} did not answer in JSON. Check the base URL."
            ) from error

    def items(self, framing: Framing[_Item]) -> AsyncGenerator[_Item, None]:
        """The items of a stream as they come, one by one."""
        return self._closed_with_this(_one_by_one(self.batches(framing)))

    def batches(self, framing: Framing[_Item]) -> AsyncGenerator[list[_Item], None]:
        """The items of a stream as they come; those that came together in one list.

        Waits at most the setting's timeout for each: bytes that complete no item, such as
        keep-alive comments, do not count as an answer.
        """
        return self._closed_with_this(self._read_batches(framing))

    async def aclose(self) -> None:
        """End the call: the connection closes unless the answer was read to its end."""
        while self._readers:
            await self._readers.pop().aclose()  # the outer one first
        self._response.close()

    def _closed_with_this(self, reader: AsyncGenerator[_Item, None]) -> AsyncGenerator[_Item, None]:
        self._readers.append(reader)
        return reader

    async def _read_batches(self, framing: Framing[_Item]) -> AsyncGenerator[list[_Item], None]:
        read = 0
        last = time.monotonic()
        while True:
            piece = await self._piece(last + self._upstream.idle_seconds)
            if not piece:
                break
            read += len(piece)
            if read > MAX_STREAM_BYTES:
                raise too_large(MAX_STREAM_BYTES)
            items = framing.feed(piece)
            if items:
                last = time.monotonic()
                yield items
        if rest := framing.finish():
            yield rest

    async def end(self) -> None:
        """Read up to the end if it is there already, so that the connection can serve again."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while await self._response.content.readany():
                    pass
        except (TimeoutError, aiohttp.ClientError):
            pass

    async def beginning(self, limit: int) -> bytes:
        """At most *limit* bytes of the body, and no complaint about how it ends."""
        body = bytearray()
        try:
            while len(body) < limit:
                piece = await self._piece(time.monotonic() + CONNECT_SECONDS)
                if not piece:
                    break
                body += piece
        except ProviderError:
            pass
        return bytes(body[:limit])

    def require_media(self, *words: str) -> None:
        """Raise unless the answer's media type holds one of *words*: HTML means a wrong address."""
        media = self.headers.get("content-type", "").lower()
        if media and not any(word in media for word in words):
            raise BadResponse(
                f"{self._upstream.provider} answered with {_media(media)} instead of "
                f"{words[0]}. Check the base URL: it may lead to a web page or a proxy."
            )

    async def _read(self, limit: int) -> bytes:
        body = bytearray()
        while True:
            piece = await self._piece(time.monotonic() + self._upstream.idle_seconds)
            body += piece
            if len(body) > limit:
                raise too_large(limit)
            if not piece or self._response.content.at_eof():
                return bytes(body)

    async def _piece(self, until: float) -> bytes:
        with _as_provider_errors(self._upstream.provider):
            if ready := self._response.content.read_nowait():
                return ready
            wait = min(until, self._deadline) - time.monotonic()
            async with asyncio.timeout(max(wait, 0)):
                return await self._response.content.readany()


async def _one_by_one(batches: AsyncGenerator[list[_Item], None]) -> AsyncGenerator[_Item, None]:
    async for items in batches:
        for item in items:
            yield item


class _as_provider_errors:  # noqa: N801 - reads as a statement
    """Turns the failures of a connection into our errors, without their texts."""

    def __init__(self, provider: str) -> None:
        self.provider = provider

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or isinstance(error, ProviderError | GeneratorExit):
            return
        if isinstance(error, UnsafeAddress):
            raise InvalidRequest(str(error)) from error
        if isinstance(error, TimeoutError):
            raise Unavailable(f"{self.provider} did not answer in time.") from None
        if isinstance(error, aiohttp.ClientConnectorError):
            raise Unavailable(
                f"{self.provider} cannot be reached. Check that it runs and that the address and "
                "its certificate are right."
            ) from None
        if isinstance(error.__cause__, ContentEncodingError):
            raise BadResponse(f"{self.provider} sent compressed data that is damaged.") from None
        if isinstance(error, aiohttp.ClientError | OSError):
            raise Unavailable(f"{self.provider} closed the connection too early.") from None


_in_json = json.JSONEncoder(separators=(",", ":")).encode


def _json(body: Any) -> bytes:
    return b"" if body is None else _in_json(body).encode()


def _media(content_type: str) -> str:
    media = content_type.partition(";")[0].strip()
    return "a web page" if media == "text/html" else f"“{media[:40]}”"

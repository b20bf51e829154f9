"""The one module that talks HTTP to providers: clients, limits, timeouts, and the pinned address.

There is one pooled client for each provider setting and event loop, so that connections and
whatever state they hold are never shared between organisations. Redirects are not followed,
the environment's proxies are not used, cookies are not kept, and no size is unbounded.
"""

from __future__ import annotations

import asyncio
import json
import re
import socket
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from ipaddress import ip_address
from typing import Any, TypeVar

import httpcore2
import httpx2

from llm.providers.addresses import (
    Address,
    BaseUrl,
    Network,
    UnsafeAddress,
    check_addresses,
    literal_address,
)
from llm.providers.errors import BadResponse, InvalidRequest, ProviderError, Unavailable
from llm.providers.failures import refusal
from llm.providers.framing import Framing, too_large

CONNECT_SECONDS = 5.0
CLOSE_SECONDS = 0.05
MAX_BODY_BYTES = 16 * 1024 * 1024
LARGE_BYTES = 1024 * 1024
MAX_STREAM_BYTES = 256 * 1024 * 1024
MAX_ERROR_BYTES = 64 * 1024

_SENDABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")  # a header's value, in plain ASCII

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
    ) -> AsyncIterator[Answer]:
        """Call, and read the answer inside the block; leaving the block ends the call at once.

        *body* becomes JSON, unless it is bytes, whose media type is then in *headers*. A status
        other than 2xx raises what it stands for. *path* begins with a slash, or is a whole URL of
        the same origin.
        """
        request = self._request(method, path, body, headers or {})
        deadline = time.monotonic() + (seconds or self.total_seconds)
        with _as_provider_errors(self.provider):
            async with asyncio.timeout(min(self.idle_seconds + CONNECT_SECONDS, seconds or 1e9)):
                response = await client_for(self).send(request, stream=True)
        answer = Answer(self, response, deadline)
        try:
            if not response.is_success:
                raise refusal(
                    self.provider,
                    status=response.status_code,
                    headers=response.headers,
                    body=await answer.beginning(MAX_ERROR_BYTES),
                )
            yield answer
        finally:
            await answer.aclose()

    def _request(
        self, method: str, path: str, body: Any, headers: Mapping[str, str]
    ) -> httpx2.Request:
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
        try:
            return httpx2.Request(
                method,
                url,
                headers=sent,
                content=content or None,
                extensions={"timeout": {"connect": CONNECT_SECONDS}},
            )
        except (httpx2.InvalidURL, ValueError) as error:
            raise InvalidRequest(
                f"The address or model for {self.provider} cannot be part of a URL."
            ) from error


class Answer:
    """A provider's answer with status 2xx, to be read once."""

    def __init__(self, upstream: Upstream, response: httpx2.Response, deadline: float) -> None:
        self._upstream = upstream
        self._response = response
        self._deadline = deadline
        self._pieces = response.aiter_bytes()
        self._items: AsyncGenerator[Any, None] | None = None

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
        """The items of a stream as they come.

        Waits at most the setting's timeout for each: bytes that complete no item, such as
        keep-alive comments, do not count as an answer.
        """
        items = self._items = self._read_items(framing)
        return items

    async def aclose(self) -> None:
        """End the call: the connection closes unless the answer was read to its end."""
        if self._items is not None:
            await self._items.aclose()
        await self._response.aclose()

    async def _read_items(self, framing: Framing[_Item]) -> AsyncGenerator[_Item, None]:
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
            for item in items:
                yield item
        for item in framing.finish():
            yield item

    async def end(self) -> None:
        """Read up to the end if it is there already, so that the connection can serve again."""
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                while await anext(self._pieces, b""):
                    pass
        except (TimeoutError, httpx2.HTTPError, httpcore2.NetworkError, httpcore2.ProtocolError):
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
            if not piece:
                return bytes(body)
            body += piece
            if len(body) > limit:
                raise too_large(limit)

    async def _piece(self, until: float) -> bytes:
        wait = min(until, self._deadline) - time.monotonic()
        with _as_provider_errors(self._upstream.provider):
            async with asyncio.timeout(max(wait, 0)):
                return await anext(self._pieces, b"")


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
        if isinstance(error, TimeoutError | httpcore2.TimeoutException | httpx2.TimeoutException):
            raise Unavailable(f"{self.provider} did not answer in time.") from None
        if isinstance(error, httpcore2.ConnectError | httpx2.ConnectError):
            raise Unavailable(
                f"{self.provider} cannot be reached. Check that it runs and that the address and "
                "its certificate are right."
            ) from None
        if isinstance(error, httpx2.DecodingError):
            raise BadResponse(f"{self.provider} sent compressed data that is damaged.") from None
        if isinstance(error, _BROKEN):
            raise Unavailable(f"{self.provider} closed the connection too early.") from None


_BROKEN = (
    httpcore2.NetworkError,
    httpcore2.ProtocolError,
    httpx2.HTTPError,
    httpx2.StreamError,
    ssl.SSLError,
    OSError,
)


# -- Clients --------------------------------------------------------------------------------------

_MAX_CLIENTS = 256
_PoolKey = tuple[str, str, tuple[Network, ...], str]
_clients: dict[asyncio.AbstractEventLoop, dict[_PoolKey, httpx2.AsyncClient]] = {}


def client_for(upstream: Upstream) -> httpx2.AsyncClient:
    """The running loop's pooled client for a provider setting."""
    loop = asyncio.get_running_loop()
    if loop not in _clients:
        for closed in [other for other in _clients if other.is_closed()]:
            del _clients[closed]
    clients = _clients.setdefault(loop, {})
    key = (upstream.identity, upstream.base_url.origin, upstream.networks, upstream.ca_file)
    client = clients.pop(key, None)
    if client is None:
        if len(clients) >= _MAX_CLIENTS:
            # Its running streams go on; its idle connections close with the last reference.
            clients.pop(next(iter(clients)))
        client = _client(upstream)
    clients[key] = client  # the most recently used stands last
    return client


async def close_clients() -> None:
    """Close this loop's pooled connections; calls that run are cut."""
    for client in _clients.pop(asyncio.get_running_loop(), {}).values():
        await client.aclose()


def _client(upstream: Upstream) -> httpx2.AsyncClient:
    client = httpx2.AsyncClient(
        transport=PinnedTransport(upstream.networks, upstream.base_url, upstream.ca_file),
        timeout=None,  # each request brings its own; Answer times the pieces
        follow_redirects=False,
        trust_env=False,
    )
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


@lru_cache(maxsize=8)
def _tls(ca_file: str) -> ssl.SSLContext:
    context = httpx2.create_ssl_context(trust_env=False)
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


class PinnedTransport(httpx2.AsyncBaseTransport):
    """Connects only to checked addresses of one origin; TLS is verified for the host's name."""

    def __init__(self, networks: tuple[Network, ...], base_url: BaseUrl, ca_file: str) -> None:
        self._origin = base_url
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=_tls(ca_file) if base_url.scheme == "https" else None,
            max_connections=None,
            max_keepalive_connections=20,
            keepalive_expiry=30.0,
            network_backend=PinnedBackend(networks, base_url.scheme),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send *request*, which must stay within the origin that was checked."""
        url = request.url
        host = url.raw_host.decode("ascii").strip("[]")
        port = url.port or (443 if url.scheme == "https" else 80)
        if (url.scheme, host, port) != (self._origin.scheme, self._origin.host, self._origin.port):
            raise UnsafeAddress("A call may not leave the address that the settings name.")
        response = await self._pool.handle_async_request(
            httpcore2.Request(
                method=request.method,
                url=httpcore2.URL(
                    scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
                ),
                headers=request.headers.raw,
                content=request.stream,
                extensions=request.extensions,
            )
        )
        return httpx2.Response(
            status_code=response.status,
            headers=response.headers,
            stream=_Body(response.stream),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()  # type: ignore[no-any-return]

    async def aclose(self) -> None:
        await self._stream.aclose()


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Resolves a name once, checks all its addresses, and connects to one that was checked."""

    def __init__(self, networks: tuple[Network, ...], scheme: str) -> None:
        self._networks = networks
        self._scheme = scheme
        self._backend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - the signature is the library's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first checked address that answers."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await resolve(host, port)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout("resolving took too long") from error
        except OSError as error:
            raise httpcore2.ConnectError("the name cannot be resolved") from error
        check_addresses(host, addresses, scheme=self._scheme, networks=self._networks)
        failure: Exception | None = None
        for address in addresses[:4]:
            try:
                return await self._backend.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        assert failure is not None
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109
        socket_options: Any = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: a provider is on the network."""
        raise UnsafeAddress("A provider is not reached through a socket file.")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of *host*, each once, in the resolver's order. Raises :class:`OSError`."""
    literal = literal_address(host)
    if literal is not None:
        return [literal]
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))


def _json(body: Any) -> bytes:
    return b"" if body is None else json.dumps(body, separators=(",", ":")).encode()


def _media(content_type: str) -> str:
    media = content_type.partition(";")[0].strip()
    return "a web page" if media == "text/html" else f"“{media[:40]}”"

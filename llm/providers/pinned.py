"""Connections to a provider's checked addresses, and to nothing else.

Each provider setting has a client of its own, so that connections and whatever state they hold are
never shared between organisations. The environment's proxies are not
used and cookies are not kept.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

import aiohttp
import httpx2
from aiohttp.abc import AbstractResolver, ResolveResult

from llm.providers.addresses import (
    Address,
    BaseUrl,
    Network,
    check_address,
    check_addresses,
    literal_address,
)

CONNECT_SECONDS = 5.0
# How long a connection waits for the next call.
KEPT_SECONDS = 30.0
MAX_ADDRESSES = 4
# What may lie unread of one answer before its sender has to wait.
READ_AHEAD_BYTES = 64 * 1024
# Settings whose connections are kept.
MAX_CLIENTS = 256

_Key = tuple[str, str, tuple[Network, ...], str]


@dataclass(slots=True)
class _Client:
    """A session and the number of calls that use it."""

    session: aiohttp.ClientSession
    calls: int = 0


_clients: dict[asyncio.AbstractEventLoop, dict[_Key, _Client]] = {}


def keep_connections() -> None:
    """Let calls of the running loop share connections, until :func:`close_clients`.

    For a loop that serves; in one that is made for a few calls each call has its own.
    """
    _clients.setdefault(asyncio.get_running_loop(), {})


async def close_clients() -> None:
    """Close this loop's pooled connections; calls that run are cut."""
    for client in _clients.pop(asyncio.get_running_loop(), {}).values():
        await client.session.close()


@asynccontextmanager
async def client_for(
    identity: str, base_url: BaseUrl, networks: tuple[Network, ...], ca_file: str
) -> AsyncIterator[aiohttp.ClientSession]:
    """The running loop's pooled client for a provider setting, for the time of one call."""
    clients = _clients.get(asyncio.get_running_loop())
    if clients is None:
        async with _session(base_url, networks, ca_file) as session:
            yield session
        return
    key = (identity, base_url.origin, networks, ca_file)
    client = clients.pop(key, None) or _Client(_session(base_url, networks, ca_file))
    clients[key] = client  # the most recently used stands last
    client.calls += 1
    try:
        if len(clients) > MAX_CLIENTS:
            await _close_one(clients)
        yield client.session
    finally:
        client.calls -= 1


async def _close_one(clients: dict[_Key, _Client]) -> None:
    """Close the client that nobody has used for longest, if there is one that nobody uses."""
    idle = next((key for key, client in clients.items() if not client.calls), None)
    if idle is not None:
        await clients.pop(idle).session.close()


def _session(
    base_url: BaseUrl, networks: tuple[Network, ...], ca_file: str
) -> aiohttp.ClientSession:
    def checked_socket(info: Any) -> socket.socket:
        family, kind, protocol, _name, address = info
        # The last word, also for an address that the URL spells out and nobody resolves.
        check_address(
            base_url.host, ip_address(address[0]), scheme=base_url.scheme, networks=networks
        )
        return socket.socket(family, kind, protocol)

    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            resolver=CheckedResolver(base_url.scheme, networks),
            use_dns_cache=False,
            ssl=_tls(ca_file) if base_url.scheme == "https" else True,
            limit=0,
            keepalive_timeout=KEPT_SECONDS,
            socket_factory=checked_socket,
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Whoever calls times the rest.
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
        skip_auto_headers=("Content-Type",),
        read_bufsize=READ_AHEAD_BYTES,
        trust_env=False,
    )


@lru_cache(maxsize=8)
def _tls(ca_file: str) -> ssl.SSLContext:
    context = httpx2.create_ssl_context(trust_env=False)
    if ca_file:
        context.load_verify_locations(ca_file)
    return context


class CheckedResolver(AbstractResolver):
    """Resolves a name once for a connection and checks all its addresses: one bad one refuses."""

    def __init__(self, scheme: str, networks: tuple[Network, ...]) -> None:
        self._scheme = scheme
        self._networks = networks

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Checked addresses. Raises :class:`UnsafeAddress`, ``OSError`` and ``TimeoutError``."""
        async with asyncio.timeout(CONNECT_SECONDS):
            addresses = await resolve(host, port)
        check_addresses(host, addresses, scheme=self._scheme, networks=self._networks)
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address in addresses[:MAX_ADDRESSES]
        ]

    async def close(self) -> None:
        """Nothing is kept."""


async def resolve(host: str, port: int) -> list[Address]:
    """The addresses of *host*, each once, in the resolver's order. Raises :class:`OSError`."""
    literal = literal_address(host)
    if literal is not None:
        return [literal]
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )
    return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))

"""The guard against request forgery: where a provider's base URL may lead.

A base URL is parsed once, strictly, into its parts; everything later works with those. Its host is
resolved at the time of the call, every address is checked, and the connection goes to a checked
address, so that a name that changes its answer (DNS rebinding) gains nothing.

Python's ``ipaddress`` alone is not enough: the IPv4 address inside an IPv6 one (mapped,
compatible, 6to4, NAT64, Teredo) is unwrapped and judged too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?|\[[0-9A-Fa-f:.]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~@-]*)*)",
    re.ASCII,
)
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?", re.ASCII)
_NUMERIC = re.compile(r"(?:0[xX][0-9A-Fa-f]*|[0-9]+)", re.ASCII)

_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = IPv6Network("::/96")
_TRANSLATED = IPv6Network("::ffff:0:0:0/96")
_TEREDO = IPv6Network("2001::/32")
# Not public, though ``ipaddress`` of Python 3.11 calls most of them global.
_NEVER_PUBLIC: tuple[Network, ...] = (
    IPv4Network("192.0.0.0/24"),
    IPv4Network("192.88.99.0/24"),
    IPv6Network("fec0::/10"),
    IPv6Network("64:ff9b:1::/48"),
    IPv6Network("2001:20::/28"),
    IPv6Network("3fff::/20"),
    IPv6Network("5f00::/16"),
)


class UnsafeAddress(ValueError):
    """A base URL that may not be called. The message says why and may be shown."""


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """A base URL in parts. ``host`` has no brackets; ``path`` begins with ``/`` or is empty."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Scheme, host and, where it is not the usual one, port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = 443 if self.scheme == "https" else 80
        return f"{self.scheme}://{host}" + ("" if self.port == usual else f":{self.port}")

    def __str__(self) -> str:
        return self.origin + self.path


@lru_cache(maxsize=1024)
def parse_base_url(text: str) -> BaseUrl:
    """Read a base URL. Raises :class:`UnsafeAddress` for anything but a plain one."""
    if not text.isascii():
        raise UnsafeAddress(
            "A base URL is written in plain ASCII; write an international name as xn--…."
        )
    if "@" in text.partition("://")[2].partition("/")[0]:
        raise UnsafeAddress("A base URL holds no user name and no password.")
    match = _URL.fullmatch(text)
    if match is None:
        raise UnsafeAddress(
            "A base URL looks like https://host/path, without user, query, fragment or spaces."
        )
    host = _host(match["host"])
    scheme = match["scheme"]
    port = int(match["port"]) if match["port"] else (443 if scheme == "https" else 80)
    if not 0 < port < 65536:
        raise UnsafeAddress(f"{port} is not a port.")
    path = match["path"].rstrip("/")
    if any(segment in (".", "..") for segment in path.split("/")):
        raise UnsafeAddress("The path of a base URL has no “.” or “..” in it.")
    return BaseUrl(scheme, host, port, path)


def literal_address(host: str) -> Address | None:
    """The address that *host* spells, or None for a name."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def allowed_networks(entries: Iterable[str]) -> tuple[Network, ...]:
    """The operator's list of networks (``10.1.0.0/16``) that are allowed though not public."""
    return _networks(tuple(entries))


@lru_cache(maxsize=8)
def _networks(entries: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ip_network(entry.strip()) for entry in entries if entry.strip())


def embedded_address(address: Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to: through a gateway, a tunnel or a stack."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address in _TEREDO:
        return IPv4Address(~int(address) & 0xFFFFFFFF)
    if (
        any(address in network for network in _NAT64)
        or address in _TRANSLATED
        or (address in _COMPATIBLE and int(address) > 1)
    ):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def is_public(address: Address) -> bool:
    """Whether *address* is an ordinary host of the public internet, all the way through."""
    inner = embedded_address(address)
    if inner is not None:
        return is_public(inner)
    return (
        address.is_global
        and not address.is_private
        and not address.is_multicast
        and not address.is_reserved
        and not address.is_link_local
        and not address.is_loopback
        and not address.is_unspecified
        and not any(address.version == net.version and address in net for net in _NEVER_PUBLIC)
    )


def is_allowed(address: Address, networks: Sequence[Network]) -> bool:
    """Whether the operator allows *address* although it is not public."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return any(address.version == network.version and address in network for network in networks)


def check_address(
    url_host: str, address: Address, *, scheme: str, networks: Sequence[Network]
) -> None:
    """Raise :class:`UnsafeAddress` unless a call to *address* is safe.

    Plain ``http`` is for the operator's own networks only: elsewhere it would show the key.
    """
    if is_allowed(address, networks):
        return
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise UnsafeAddress(f"“{url_host}” names a network interface.")
    if not is_public(address):
        raise UnsafeAddress(
            f"“{url_host}” leads to {address}, which is not a public address. For a model in "
            "your own network the operator adds that network to PROVIDER_ALLOWED_NETWORKS."
        )
    if scheme != "https":
        raise UnsafeAddress(f"“{url_host}” must be called by https: plain http shows the key.")


def check_addresses(
    url_host: str, addresses: Sequence[Address], *, scheme: str, networks: Sequence[Network]
) -> None:
    """Check all addresses of a name: a single bad one refuses the name."""
    if not addresses:
        raise UnsafeAddress(f"“{url_host}” has no address.")
    for address in addresses:
        check_address(url_host, address, scheme=scheme, networks=networks)


def _host(text: str) -> str:
    if text.startswith("["):
        try:
            return str(IPv6Address(text[1:-1]))
        except ValueError as error:
            raise UnsafeAddress("The address in brackets is not an IPv6 address.") from error
    host = text.lower()
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in host.split(".")):
        raise UnsafeAddress(f"“{text}” is not a host name.")
    # What a resolver may read as a number (127.1, 0x7f.1, 2130706433) must be four plain ones.
    if _NUMERIC.fullmatch(host.rsplit(".", 1)[-1]):
        try:
            return str(IPv4Address(host))
        except ValueError as error:
            raise UnsafeAddress(
                "Write a numeric address as four plain numbers, such as 192.0.2.1."
            ) from error
    return host

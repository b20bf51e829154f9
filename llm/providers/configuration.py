"""What an adapter is made from: its vendor, and how one organisation reaches it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from llm.providers.addresses import BaseUrl, Network, literal_address, parse_base_url

if TYPE_CHECKING:
    from llm.providers.adapters import ConfiguredProvider

UNKNOWN = "unknown"
SELF_HOSTED = "self-hosted"


@dataclass(frozen=True, slots=True)
class Vendor:
    """One kind of provider.

    ``provider_name`` goes into the log (the names of OpenTelemetry where it has one). ``adapter``
    is a class or ``"module:Class"``, loaded when it is first used. ``hosts`` says where a known
    host processes; nobody can declare otherwise. ``region`` holds for every other host that
    nothing is declared for. ``dialect`` says how a server differs within OpenAI's form.
    """

    key: str
    name: str
    provider_name: str
    adapter: str | type[ConfiguredProvider]
    base_url: str = ""
    region: str = UNKNOWN
    hosts: Mapping[str, str] = field(default_factory=dict)
    needs_key: bool = True
    dialect: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Configuration:
    """How one organisation reaches one provider.

    ``identity`` keeps its connections apart from everybody else's. ``declared_region`` is what
    a person declared; :func:`region_of` decides. ``networks`` are those that the operator
    allows although they are not public.
    """

    vendor: Vendor
    identity: str
    name: str
    model: str
    base_url: str = ""
    key: str = field(default="", repr=False)
    declared_region: str = UNKNOWN
    idle_seconds: float = 60.0
    total_seconds: float = 600.0
    networks: tuple[Network, ...] = ()
    ca_file: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)

    def with_model(self, model: str) -> Configuration:
        """The same, for another model."""
        return self if model == self.model else replace(self, model=model)

    def parsed_base_url(self) -> BaseUrl:
        """The address to call. Raises :class:`~llm.providers.addresses.UnsafeAddress`.

        One of the vendor's own hosts given without a path gets the vendor's usual path.
        """
        parsed = parse_base_url(self.base_url or self.vendor.base_url)
        if not parsed.path and parsed.host in self.vendor.hosts and self.vendor.base_url:
            return replace(parsed, path=parse_base_url(self.vendor.base_url).path)
        return parsed


def region_of_host(configuration: Configuration) -> str:
    """Where *configuration*'s host processes.

    What is known of a vendor's own host wins over a declaration: Mistral's default host is
    global, and saying "EU" does not make it European. A model on this machine is self-hosted
    unless declared otherwise (it may be a tunnel).
    """
    host = configuration.parsed_base_url().host
    known = configuration.vendor.hosts.get(host)
    if known is not None:
        return known
    if configuration.declared_region not in ("", UNKNOWN):
        return configuration.declared_region
    address = literal_address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return SELF_HOSTED
    return configuration.vendor.region

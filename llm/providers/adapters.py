"""What adapters share: how they are made, and how they reach their vendor by HTTP."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from llm.providers.base import BaseLLMProvider, Event, Health, Text
from llm.providers.configuration import Configuration, region_of_host
from llm.providers.errors import BadResponse, ProviderError
from llm.providers.http import Upstream


class ConfiguredProvider(BaseLLMProvider):
    """An adapter made from a configuration."""

    def __init__(self, configuration: Configuration) -> None:
        self.configuration = configuration
        self.provider_name = configuration.vendor.provider_name
        self.provider_model = configuration.model
        self.data_region = self.region(configuration)

    @classmethod
    def region(cls, configuration: Configuration) -> str:
        """Where a call with *configuration* is processed, as far as it can be known before it."""
        return region_of_host(configuration)


class HTTPProvider(ConfiguredProvider):
    """An adapter that reaches its vendor by HTTP."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        self.upstream = Upstream(
            identity=configuration.identity,
            provider=configuration.name,
            base_url=configuration.parsed_base_url(),
            headers=self.headers(configuration),
            networks=configuration.networks,
            idle_seconds=configuration.idle_seconds,
            total_seconds=configuration.total_seconds,
            ca_file=configuration.ca_file,
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.provider_model} at {self.upstream.base_url}>"

    @staticmethod
    def headers(configuration: Configuration) -> Mapping[str, str]:
        """The headers that every call carries; they hold the key."""
        return {"authorization": f"Bearer {configuration.key}"} if configuration.key else {}

    async def health_check(self) -> Health:
        """Whether the provider answers, without cost."""
        begin = time.monotonic()
        try:
            await self.probe()
        except ProviderError as error:
            return Health(ok=False, detail=error.message)
        return Health(
            ok=True, detail="It answers.", latency_ms=round((time.monotonic() - begin) * 1000)
        )

    async def probe(self) -> None:
        """Ask something that costs nothing. Raises :class:`ProviderError`."""
        await self.list_models()


def parsed(provider: str, data: str) -> dict[str, Any]:
    """The JSON object of one event."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadResponse(f"{provider} sent an event that is not JSON.") from error
    if not isinstance(value, dict):
        raise BadResponse(f"{provider} sent an event that is not an object.")
    return value


def joined(events: Iterable[Event]) -> Iterator[Event]:
    """The same events, texts that follow each other as one: they came together anyway."""
    texts: list[str] = []
    try:
        for event in events:
            if isinstance(event, Text):
                texts.append(event.text)
                continue
            if texts:
                yield Text("".join(texts))
                texts = []
            yield event
    except ProviderError:
        if texts:
            yield Text("".join(texts))
        raise
    if texts:
        yield Text("".join(texts))

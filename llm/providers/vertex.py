"""Google Vertex AI: Gemini and Claude in a location that one chooses.

The base URL says where: ``https://LOCATION-aiplatform.googleapis.com`` is one place,
``https://aiplatform.eu.rep.googleapis.com`` the EU, and ``https://aiplatform.googleapis.com``
anywhere. The key is the JSON of a service account.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from urllib.parse import quote

from llm.providers import anthropic
from llm.providers.base import ChatMessage, ChatOptions, Event, Model
from llm.providers.configuration import Configuration, region_of_host
from llm.providers.errors import BadResponse
from llm.providers.gemini import GeminiForm
from llm.providers.google_token import access_token
from llm.providers.locations import of_google

_PLACE = re.compile(r"([a-z]+-[a-z]+[0-9]+)-aiplatform\.googleapis\.com")
_UNION = re.compile(r"aiplatform\.([a-z]+)\.rep\.googleapis\.com")
CLAUDE_VERSION = "vertex-2023-10-16"


class VertexProvider(GeminiForm):
    """Options: ``project`` (required), and ``location`` where the host does not say it."""

    def __init__(self, configuration: Configuration) -> None:
        super().__init__(configuration)
        if not configuration.options.get("project"):
            raise ValueError("Vertex AI needs the option “project”: the id of your project.")
        if not self.upstream.base_url.path:
            self.upstream = replace(
                self.upstream, base_url=replace(self.upstream.base_url, path="/v1")
            )

    @classmethod
    def region(cls, configuration: Configuration) -> str:
        """The country of the host's location."""
        location = _location(configuration)
        return of_google(location) if location else region_of_host(configuration)

    @staticmethod
    def headers(configuration: Configuration) -> Mapping[str, str]:
        """None that last: the token is fetched."""
        return {}

    async def authorisation(self) -> Mapping[str, str]:
        """An access token of the service account."""
        token = await access_token(self.upstream, self.configuration.key)
        return {"authorization": f"Bearer {token}"}

    def model_path(self, model: str) -> str:
        """A model of a publisher in the project's location."""
        own = self.configuration.options
        location = _location(self.configuration) or str(own.get("location", "global"))
        project, place = quote(str(own["project"]), safe=""), quote(location, safe="")
        publisher = "anthropic" if model.startswith("claude") else "google"
        model = quote(model, safe="@")
        return f"/projects/{project}/locations/{place}/publishers/{publisher}/models/{model}"

    def unsaid(self, model: str) -> frozenset[str]:
        """As in the form of the model's publisher."""
        return anthropic.UNSAID if model.startswith("claude") else super().unsaid(model)

    async def stream_events(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[Event, None]:
        """The answer as events, in the form of the model's publisher."""
        model = options.model or self.provider_model
        if model.startswith("claude"):
            events = await self._claude(messages, options, model)
        else:
            events = super().stream_events(messages, options)
        async with aclosing(events):
            async for event in events:
                yield event

    async def _claude(
        self, messages: Sequence[ChatMessage], options: ChatOptions, model: str
    ) -> AsyncGenerator[Event, None]:
        body = {
            **self.configuration.options.get("body", {}),
            **anthropic.body_of(messages, options, max_tokens=anthropic.DEFAULT_MAX_TOKENS),
            "anthropic_version": CLAUDE_VERSION,
        }
        path = f"{self.model_path(model)}:streamRawPredict"
        headers = await self.authorisation()
        return anthropic.stream_messages(self.upstream, path, body, headers)

    async def list_models(self) -> list[Model]:
        """The configured model: Vertex does not list what a project may use."""
        return [Model(self.provider_model)]

    async def count_tokens(self, messages: Sequence[ChatMessage]) -> int:
        """What the vendor counts."""
        if not self.provider_model.startswith("claude"):
            return await super().count_tokens(messages)
        body = anthropic.body_of(messages, ChatOptions(None), max_tokens=1)
        body = {name: body[name] for name in ("system", "messages") if name in body}
        path = self.model_path("claude").replace("/models/claude", "/models/count-tokens")
        counted = await self.upstream.json(
            "POST",
            f"{path}:rawPredict",
            {**body, "model": self.provider_model, "anthropic_version": CLAUDE_VERSION},
            headers=await self.authorisation(),
            seconds=20,
        )
        try:
            return int(counted["input_tokens"])
        except (KeyError, TypeError, ValueError) as error:
            raise BadResponse(f"{self.upstream.provider} counts in an unknown form.") from error

    async def probe(self) -> None:
        """Count the tokens of a word: it needs the token, the project and the model."""
        await self.count_tokens([ChatMessage("user", "ping")])


def _location(configuration: Configuration) -> str:
    host = configuration.parsed_base_url().host
    match = _PLACE.fullmatch(host) or _UNION.fullmatch(host)
    if match is not None:
        return match[1]
    return "global" if host == "aiplatform.googleapis.com" else ""

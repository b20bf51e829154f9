"""Vectors for texts, under the same promises as a chat: decided, recorded, sent, recorded.

The pump runs the call: to it, a request for vectors is an answer without words.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.utils.translation import gettext as _

from audit.ledger import Text
from llm import chat, screened
from llm.calls import Asked, Call, Refused
from llm.providers.base import (
    BaseLLMProvider,
    ChatMessage,
    ChatOptions,
    Event,
    Finished,
    FinishReason,
    Health,
    Model,
    Started,
)
from llm.providers.embeddings import Embeddings, Embeds
from llm.pump import Pump
from llm.routing import Route
from llm.screened import PROGRAM
from llm.sieve import Consent
from orgs.roles import Permission
from orgs.systems import system_of_call
from orgs.tenancy import Tenant


@dataclass(slots=True)
class Wanted:
    """The texts, and how long each vector is to be; ``made`` is there when the call has ended."""

    inputs: Sequence[str]
    model: str
    dimensions: int | None = None
    encoding: str = "float"
    made: Embeddings | None = None
    consent: Consent = PROGRAM


async def embed(identify: Callable[[], Tenant], wanted: Wanted) -> Pump:
    """Run the call to its recorded end; then ``wanted.made`` holds the vectors.

    Raises what *identify* raises, ``PermissionRefused`` and :class:`llm.calls.CallFailed`.
    """
    pump = await chat.begin_call(lambda: prepare(identify, wanted))
    await pump.finished()
    return pump


def prepare(identify: Callable[[], Tenant], wanted: Wanted) -> Call:
    """Decide the call: everything that is read, in one go."""
    tenant = identify()
    tenant.require(Permission.CHAT)
    # No answer is written, so none is reserved in a budget.
    options = ChatOptions(temperature=None, max_tokens=None)
    texts = [ChatMessage("user", text) for text in wanted.inputs]
    asked = Asked(texts, options, None, wanted.model)
    decided = screened.decide(tenant, asked, consent=wanted.consent)
    route, refusal = decided.route, decided.refusal
    if route is not None and refusal is None:
        route, refusal = _able(route, wanted)
    return Call(
        tenant,
        decided.asked,
        route,
        refusal,
        interface="openai",
        content={} if decided.is_withheld else {"prompt": _prompt(decided.asked)},
        streamed=False,
        system_id=system_of_call(tenant),
        operation="embeddings",
        attributes={**_attributes(wanted), **decided.attributes},
    )


def _prompt(asked: Asked) -> Text:
    """The texts as they are sent."""
    return Text(json.dumps([message.content for message in asked.messages]), "application/json")


def _attributes(wanted: Wanted) -> dict[str, Any]:
    return {
        "gen_ai.request.encoding_formats": [wanted.encoding],
        "gen_ai.embeddings.dimension.count": wanted.dimensions,
        "lexcustis.embeddings.inputs": len(wanted.inputs),
    }


def _able(route: Route, wanted: Wanted) -> tuple[Route, Refused | None]:
    """The route by which the pump gets vectors, or why this provider cannot make any."""
    if isinstance(route.provider, Embeds):
        return replace(route, provider=_Embedder(route.provider, wanted)), None
    message = _("%(name)s makes no embeddings. Choose a model of another provider.")
    return route, Refused("no_embeddings", message % {"name": route.name}, status=400)


class _Embedder(BaseLLMProvider):
    """A provider as the pump knows it, whose answer is put into ``wanted.made``."""

    def __init__(self, provider: Any, wanted: Wanted) -> None:
        self._provider = provider
        self._wanted = wanted
        self.provider_name = provider.provider_name
        self.provider_model = provider.provider_model
        self.data_region = provider.data_region
        # Its patience and its prices.
        self.configuration = getattr(provider, "configuration", None)

    async def stream_events(
        self, messages: Sequence[ChatMessage], options: ChatOptions
    ) -> AsyncGenerator[Event, None]:
        """Who answered, and what it took; there are no words."""
        made: Embeddings = await self._provider.embed(
            [message.content for message in messages],
            model=options.model or self.provider_model,
            dimensions=self._wanted.dimensions,
        )
        self._wanted.made = made
        yield Started(made.upstream_id, made.model or self.provider_model, made.location)
        if made.usage is not None:
            yield made.usage
        yield Finished(FinishReason.STOP)

    async def list_models(self) -> list[Model]:
        """As the provider."""
        models: list[Model] = await self._provider.list_models()
        return models

    async def health_check(self) -> Health:
        """As the provider."""
        health: Health = await self._provider.health_check()
        return health

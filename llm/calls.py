"""One call to a model: what was asked for, what was decided, and how it ended."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.utils import timezone

from audit.ledger import Link, Receipt, Text
from llm.models import Inference
from llm.providers.base import ChatMessage, ChatOptions, ToolCall, Usage
from llm.strategies import Hint
from orgs.identifiers import uuid7
from orgs.tenancy import Tenant

if TYPE_CHECKING:
    from llm.routing import Route

State = Inference.State

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,99}")


class Refused(Exception):
    """The organisation's own rules do not allow the call. The message says which rule."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int = 403,
        provider_name: str = "",
        region: str = "",
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.details = dict(details or {})
        # The provider that was refused, where one was: the log says what did not get a byte.
        self.provider_name = provider_name
        self.region = region


class CallFailed(Exception):
    """There is no answer, or no whole one. What a caller may know of it; the log knows more.

    ``status`` is the HTTP status where the answer has not begun, ``retry_after`` is in seconds.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.retry_after = retry_after
        self.details = dict(details or {})


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a conversation the question and its answer stand.

    ``prompt_id`` is the person's message, made with the call unless ``is_retry``: then it exists
    and gets another answer.
    """

    conversation_id: UUID
    title: str
    sealed_title: bytes = b""  # of a new conversation; empty where it exists already
    parent_id: UUID | None = None
    prompt_id: UUID = field(default_factory=uuid7)
    answer_id: UUID = field(default_factory=uuid7)
    is_retry: bool = False
    system_id: UUID | None = None  # of a conversation that exists already

    @property
    def is_new(self) -> bool:
        """Whether the conversation begins with this call."""
        return bool(self.sealed_title)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller wants: an explicit provider and model, or None for the organisation's own.

    ``screened_by`` are the rules by which the texts were screened, None before that. ``unused``
    are further parameters that the caller gave, for which the interface has no use.
    """

    messages: Sequence[ChatMessage]
    options: ChatOptions
    provider_id: UUID | None = None
    model: str | None = None
    hint: Hint | None = None
    screened_by: tuple[Any, ...] | None = None
    unused: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A call to a model, decided and not yet made. ``refusal`` is set where it will not be made."""

    tenant: Tenant
    asked: Asked
    route: Route | None
    refusal: Refused | None
    interface: str  # "chat", or "openai" for the OpenAI-compatible one
    content: Mapping[str, Text]
    links: Sequence[Link] = ()
    place: Place | None = None
    streamed: bool = True
    passed_budgets: Sequence[UUID] = ()  # those that only warn
    system_id: UUID | None = None  # the AI system of the organisation's register
    operation: str = "chat"  # as OpenTelemetry names it: "chat" or "embeddings"
    attributes: Mapping[str, Any] = field(default_factory=dict)  # more for the request's record
    attempt: int = 1
    first_id: UUID | None = None  # of the first attempt, in those after it
    previous_id: UUID | None = None
    failed_with: str = ""  # the code of the error that made the attempt before fail
    id: UUID = field(default_factory=uuid7)
    at: datetime = field(default_factory=timezone.now)

    def again(self, route: Route, *, failed_with: str) -> Call:
        """The next attempt: a call of its own, whose question the first attempt has recorded."""
        asked = replace(self.asked, options=replace(self.asked.options, model=route.model))
        return replace(
            self,
            id=uuid7(),
            at=timezone.now(),
            asked=asked,
            route=route,
            refusal=None,
            content={},
            passed_budgets=(),
            attempt=self.attempt + 1,
            first_id=self.first_id or self.id,
            previous_id=self.id,
            failed_with=failed_with,
        )

    @property
    def model(self) -> str:
        """The model that is asked for; nothing but a name that looks like one is recorded."""
        if self.route:
            return self.route.model
        asked = self.asked.model or ""
        return asked if _NAME.fullmatch(asked) else ""

    @property
    def asked_model(self) -> str:
        """The model that the caller named, where another one is asked: the log keeps both."""
        asked = self.asked.model or ""
        return asked if asked != self.model and _NAME.fullmatch(asked) else ""

    @property
    def left_out(self) -> list[str]:
        """What the caller gave and the provider is not told, by the names in OpenAI's form."""
        if self.route is None or self.operation != "chat":
            return []
        return [*self.asked.unused, *self.route.provider.left_out(self.asked.options)]

    @property
    def region(self) -> str:
        """The region that the provider is declared to process in."""
        if self.route:
            return self.route.region
        return self.refusal.region if self.refusal else ""

    @property
    def provider_label(self) -> str:
        """The provider as people know it."""
        return self.route.name if self.route else ""

    @property
    def provider_name(self) -> str:
        """The provider as it is recorded."""
        if self.route:
            return self.route.provider.provider_name
        return self.refusal.provider_name if self.refusal else ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended, before it is recorded. Durations are milliseconds."""

    state: State
    text: str = ""
    tool_calls: Sequence[ToolCall] = ()
    usage: Usage | None = None
    cost: Decimal | None = None
    currency: str = ""
    price_source: str = ""
    finish_reason: str = ""
    raw_finish_reason: str = ""
    model: str = ""
    upstream_id: str = ""
    location: str = ""
    error: Exception | None = None
    error_code: str = ""
    first_token_ms: int | None = None
    duration_ms: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """A call that is over. ``receipt`` is None only where the ending was recorded by the sweep."""

    outcome: Outcome
    receipt: Receipt | None

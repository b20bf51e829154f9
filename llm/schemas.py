"""What goes in and out of the API of chats and conversations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import ConfigDict, Field, StringConstraints, model_validator

from llm.screening_consent import ConsentIn
from llm.sieve import Consent

MAX_MESSAGE = 200_000

Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class ChatIn(ConsentIn):
    """A question, or an earlier answer to be given again."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"message": "What does Article 50 ask of us?"},
                {
                    "message": "In one sentence, please.",
                    "conversation_id": "0193b5a2-7b0c-7d6e-9f41-2f3a4b5c6d7e",
                    "stream": False,
                },
            ]
        },
    )

    message: str | None = Field(
        None, min_length=1, max_length=MAX_MESSAGE, description="A new question, as plain text."
    )
    conversation_id: UUID | None = Field(None, description="Absent: a new conversation begins.")
    parent_id: UUID | None = Field(
        None,
        description="The answer after which the question stands: a new branch, nothing is "
        "overwritten. Null: a new beginning. Absent: after the newest answer.",
    )
    retry_of: UUID | None = Field(
        None, description="An earlier answer: its question gets another answer beside it."
    )
    provider_id: UUID | None = Field(
        None, description="One of `GET /providers`. Absent: the organisation's default."
    )
    model: str | None = Field(None, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
    system_id: UUID | None = Field(
        None,
        description="The AI system of `GET /systems` that a new conversation belongs to. Absent: "
        "the key's own, else the organisation's default. An existing conversation keeps its own.",
    )
    temperature: float | None = Field(0.3, ge=0, le=2, allow_inf_nan=False)
    max_tokens: int | None = Field(None, ge=1, le=1_000_000)
    stream: bool = Field(True, description="Server-sent events, or one JSON object.")
    earlier_confirmed: bool = Field(
        False,
        description="What was found in earlier messages of the conversation was seen; what is "
        "found in the new one is still asked for.",
    )

    @property
    def consent(self) -> Consent:
        """What was said to findings beforehand."""
        return Consent(self.confirmed, self.masked, self.earlier_confirmed)

    @model_validator(mode="after")
    def _one_question(self) -> ChatIn:
        if (self.message is None) == (self.retry_of is None):
            raise ValueError("Send either 'message' or 'retry_of'.")
        if self.parent_id is not None and self.conversation_id is None:
            raise ValueError("'parent_id' needs its 'conversation_id'.")
        return self


class UsageOut(Schema):
    """Tokens of one answer. `source` is `provider`, or `estimated` where it was cut off."""

    input_tokens: int
    output_tokens: int
    source: str


class CostOut(Schema):
    """What one answer cost; the amount is a decimal number as text."""

    amount: str
    currency: str


class ScreeningOut(Schema):
    """What was found in what was sent: kinds and how often, never the text."""

    action: Literal["sent", "flagged", "confirmed", "masked"]
    found: dict[str, int]
    found_earlier: dict[str, int] = Field(description="In earlier messages sent along.")
    masked: int = Field(description="How many places were replaced.")
    pictures_not_screened: int = Field(description="Nothing looks into pictures.")
    text: str | None = Field(None, description="The new text as it was sent, where masked.")


class AnswerOut(Schema):
    """A whole answer, and the record that proves it."""

    conversation_id: UUID
    user_message_id: UUID
    message_id: UUID
    text: str
    html: str = Field(description="The answer rendered safely.")
    title: str
    state: str
    provider: str
    region: str
    model: str
    finish_reason: str | None
    usage: UsageOut | None
    cost: CostOut | None
    record_id: UUID | None = Field(description="The record of the ending in the audit log.")
    receipt: str | None = Field(description="Keep it: with it a lost record is provably lost.")
    screening: ScreeningOut | None = Field(None, description="Null where nothing was found.")


class ProviderOut(Schema):
    """A provider that may be chosen, or why it may not."""

    id: UUID | None = Field(description="Null for the instance's own default.")
    name: str
    vendor: str
    region: str
    allowed: bool
    reason: str
    models: list[str]
    default_model: str
    is_default: bool


class ConversationOut(Schema):
    """A conversation in a list."""

    id: UUID
    title: str
    updated_at: datetime
    archived: bool


class ConversationList(Schema):
    """A page of conversations; `next` is the value of `before` for the following one."""

    items: list[ConversationOut]
    next: str | None


class ConversationChange(Schema):
    """What may be changed about a conversation."""

    model_config = ConfigDict(extra="forbid")

    title: Title | None = None
    archived: bool | None = None


class MessageOut(Schema):
    """A message. `state` and what follows it belongs to answers."""

    id: UUID
    parent_id: UUID | None
    role: Literal["user", "assistant"]
    text: str
    html: str
    created_at: datetime
    record_id: UUID | None
    is_gone: bool = Field(description="The text was erased, or its time was over.")
    is_damaged: bool = Field(description="The text is stored, but does not open.")
    ai_generated: bool
    state: str | None
    finish_reason: str
    error_code: str
    model: str
    provider: str
    region: str
    usage: UsageOut | None
    cost: CostOut | None


class ConversationRead(Schema):
    """A conversation with all its messages, oldest first; `parent_id` makes them a tree."""

    id: UUID
    title: str
    created_at: datetime
    updated_at: datetime
    archived: bool
    messages: list[MessageOut]


# What the headers of answers say, for every interface.
RECORD_HEADER: dict[str, Any] = {
    "Lexcustis-Record": {
        "description": "The record of the request: log, id and leaf hash.",
        "schema": {"type": "string"},
    }
}
ANSWER_HEADERS: dict[str, Any] = {
    **RECORD_HEADER,
    "Lexcustis-Left-Out": {
        "description": "Parameters of the request that the provider was not told, where there are "
        "any: its form has no word for them, or the interface no use.",
        "schema": {"type": "string"},
    },
}

STREAM: dict[str, Any] = {
    "description": "The answer. With `stream` a sequence of server-sent events: `start`, then "
    "`text` for each piece, `error` where it breaks off, and at last `end`. Comments (`: ping`) "
    "keep the connection open. Closing it stops the answer; what came so far is kept.",
    "headers": ANSWER_HEADERS,
    "content": {
        "text/event-stream": {
            "schema": {
                "type": "object",
                "description": "One event; `data` is JSON.",
                "required": ["event", "data"],
                "properties": {
                    "event": {"type": "string", "enum": ["start", "text", "error", "end"]},
                    "data": {"type": "string"},
                },
            },
            "example": 'event: start\ndata: {"message_id":"0193…","model":"sim-large"}\n\n'
            'event: text\ndata: {"text":"Hello"}\n\n'
            'event: end\ndata: {"state":"completed","record_id":"0193…"}\n\n',
        }
    },
}

"""The API of chats: ask, choose a provider, list, read, change and take along conversations."""

from __future__ import annotations

from functools import partial
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import P, QueryEx, Router

from llm import chat, conversations, exports, routing
from llm.events import ChatScript, EventStream, ending, started, with_record
from llm.providers.base import ChatOptions
from llm.schemas import (
    STREAM,
    AnswerOut,
    ChatIn,
    ConversationChange,
    ConversationList,
    ConversationOut,
    ConversationRead,
    ProviderOut,
)
from orgs.api_auth import DEFERRED_AUTH, caller_of_call, tenant_of_call
from orgs.roles import Permission

router = Router(tags=["chat"])


@router.post(
    "/chat",
    auth=DEFERRED_AUTH,
    response=AnswerOut,
    summary="Ask",
    openapi_extra={"responses": {200: STREAM}},
)
async def ask(request: HttpRequest, body: ChatIn) -> Any:
    """Ask a question and get the answer as it is made, or whole."""
    wish = chat.Wish(
        message=body.message or "",
        conversation_id=body.conversation_id,
        parent_id=body.parent_id,
        is_branch="parent_id" in body.model_fields_set,
        retry_of=body.retry_of,
        provider_id=body.provider_id,
        model=body.model,
        system_id=body.system_id,
        options=ChatOptions(temperature=body.temperature, max_tokens=body.max_tokens),
        streamed=body.stream,
        consent=body.consent,
    )
    pump = await chat.begin(partial(caller_of_call(request).tenant, chat.ahead), wish)
    if body.stream:
        return EventStream(pump, ChatScript())
    ended = await pump.finished()
    answer = started(pump) | await ending(pump) | {"text": ended.outcome.text}
    return with_record(pump, answer)


@router.get("/providers", response=list[ProviderOut], summary="Providers")
def providers(request: HttpRequest) -> Any:
    """The providers and models that may be chosen, with the region of each."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.CHAT)
    return routing.choices(tenant)


@router.get("/conversations", response=ConversationList, summary="List conversations")
def list_conversations(
    request: HttpRequest,
    search: QueryEx[str, P(max_length=200, description="Looked for in titles.")] = "",
    before: QueryEx[str, P(max_length=100, description="`next` of the page before.")] = "",
    archived: bool = False,
) -> Any:
    """Your own conversations, newest first."""
    items, cursor = conversations.listed(
        tenant_of_call(request), search=search, before=before, archived=archived
    )
    return {"items": items, "next": cursor}


@router.get("/conversations/{uuid:conversation_id}", response=ConversationRead, summary="Read one")
def read_conversation(request: HttpRequest, conversation_id: UUID) -> Any:
    """One of your own conversations, with all its branches."""
    return conversations.read(tenant_of_call(request), conversation_id)


@router.patch(
    "/conversations/{uuid:conversation_id}", response=ConversationOut, summary="Rename or archive"
)
def change_conversation(
    request: HttpRequest, conversation_id: UUID, body: ConversationChange
) -> Any:
    """Rename a conversation, or put it away."""
    return conversations.change(
        tenant_of_call(request), conversation_id, title=body.title, archived=body.archived
    )


@router.get(
    "/conversations/{uuid:conversation_id}/export",
    summary="Export",
    openapi_extra={
        "responses": {
            200: {
                "description": "The conversation, every answer marked as AI-generated.",
                "content": {
                    "text/markdown": {"schema": {"type": "string"}},
                    "application/json": {"schema": {"type": "object"}},
                },
            }
        }
    },
)
def export_conversation(
    request: HttpRequest,
    conversation_id: UUID,
    form: QueryEx[Literal["markdown", "json"], P(alias="format")] = "markdown",
) -> HttpResponse:
    """The conversation as a file, every answer marked as AI-generated."""
    conversation = conversations.read(tenant_of_call(request), conversation_id)
    return exports.as_file(conversation, form)

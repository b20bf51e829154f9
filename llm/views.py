"""The chat page, rendered whole by the server, and what is stored about oneself.

Scripts add streaming and take over the server's rendering of a turn when it has ended; without
them a conversation can still be read, searched and exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from llm import my_data as my_data_of
from llm import page_words
from llm.conversations import ConversationView, MessageView, listed, read
from llm.grouping import grouped_by_date
from llm.routing import ProviderChoice, choices
from llm.schemas import MAX_MESSAGE
from llm.transcript import BLANK_ANSWER, BLANK_PROMPT, path_through, provider_names, totals
from orgs.auth import tenant_required
from orgs.roles import Permission
from orgs.systems import choices as choices_of_systems
from orgs.tenancy import Tenant
from orgs.views import tenant_of_page


@never_cache
@require_GET
@tenant_required(Permission.CHAT)
def chat(request: HttpRequest, conversation_id: UUID | None = None) -> HttpResponse:
    """The chat: one conversation or none, with the list of all of one's own."""
    tenant = tenant_of_page(request)
    conversation = read(tenant, conversation_id) if conversation_id else None
    messages: Sequence[MessageView] = conversation.messages if conversation else ()
    offered = choices(tenant)
    context = {
        "section": "chat",
        "api_root": reverse("api:api-root").rstrip("/"),
        "organisation": tenant.organisation,
        "conversation": conversation,
        "path": path_through(
            messages,
            at=_uuid(request.GET.get("at", "")),
            providers=provider_names(tenant, conversation.id) if conversation else {},
        ),
        "totals": totals(messages),
        "choices": offered,
        "chosen": _chosen(offered),
        "systems": () if conversation else choices_of_systems(tenant),
        "refusal": _refusal(tenant, offered),
        "suggestions": page_words.suggestions(),
        "words": page_words.words(),
        "blank_prompt": BLANK_PROMPT,
        "blank_answer": BLANK_ANSWER,
        "max_characters": MAX_MESSAGE,
        "csrf_cookie": settings.CSRF_COOKIE_NAME,
        **_list(request, tenant, conversation),
    }
    return render(request, "llm/chat.html", context)


@never_cache
@require_GET
@tenant_required()
def my_data(request: HttpRequest) -> HttpResponse:
    """What is stored about oneself."""
    tenant = tenant_of_page(request)
    return render(request, "account/my_data.html", {"stored": my_data_of.stored_about(tenant)})


@require_GET
@tenant_required(Permission.CHAT)
def export_my_data(request: HttpRequest) -> HttpResponse:
    """All of one's own conversations as one JSON file."""
    tenant = tenant_of_page(request)
    response = HttpResponse(
        my_data_of.export(tenant), content_type="application/json; charset=utf-8"
    )
    response["Content-Disposition"] = 'attachment; filename="my-data.json"'
    return response


def _list(
    request: HttpRequest, tenant: Tenant, conversation: ConversationView | None
) -> dict[str, Any]:
    search = request.GET.get("search", "")[:200]
    try:
        items, older = listed(tenant, search=search, before=request.GET.get("before", ""))
    except ValidationError:
        raise Http404 from None
    zone = ZoneInfo(tenant.organisation.time_zone)
    return {"groups": grouped_by_date(items, zone), "older": older, "search": search}


def _chosen(offered: Sequence[ProviderChoice]) -> ProviderChoice | None:
    default = next((choice for choice in offered if choice.is_default), None)
    return default or next(iter(offered), None)


def _refusal(tenant: Tenant, offered: Sequence[ProviderChoice]) -> str:
    """Why nothing at all can be sent just now, or the empty string."""
    if tenant.organisation.is_paused:
        return _("The use of AI is paused in your organisation. Ask its compliance officer.")
    if not offered:
        return _("No model is set up yet. Ask your administrator to add a provider.")
    return ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

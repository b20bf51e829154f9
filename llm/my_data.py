"""What the product holds about one person in one organisation, for that person."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import Count, Min, Sum

from audit.break_glass import disclosures_about, openings_about
from audit.content_models import Disclosure
from llm import conversations, exports
from llm.models import Conversation, Inference, Message
from llm.regions import Region, region_of
from orgs.tenancy import Tenant


@dataclass(frozen=True, slots=True)
class Use:
    """How often a person's text went to one provider, and where that is."""

    provider: str
    model: str
    region: Region
    calls: int


@dataclass(frozen=True, slots=True)
class Disclosed:
    """That somebody asked to read the person's texts, how it was decided, and each reading."""

    asked: Disclosure
    opened_at: list[datetime]


@dataclass(frozen=True, slots=True)
class Stored:
    """Counts of what is stored about one person; ``since`` is None where there is nothing."""

    conversations: int
    archived: int
    messages: int
    inferences: int
    tokens: int
    since: datetime | None
    uses: list[Use]
    disclosed: list[Disclosed]


def stored_about(tenant: Tenant) -> Stored:
    """What is stored about the tenant's person in the tenant's organisation."""
    own = Conversation.objects.for_tenant(tenant).filter(user_id=tenant.user.pk)
    calls = Inference.objects.for_tenant(tenant).filter(user_id=tenant.user.pk)
    sums = calls.aggregate(
        number=Count("pk"),
        since=Min("started_at"),
        read=Sum("input_tokens"),
        written=Sum("output_tokens"),
    )
    messages = Message.objects.for_tenant(tenant).filter(conversation__user_id=tenant.user.pk)
    # A call that was blocked went nowhere.
    uses = (
        calls.exclude(state=Inference.State.BLOCKED)
        .order_by()
        .values("provider_name", "requested_model", "data_region")
        .annotate(number=Count("pk"))
        .order_by("-number")
    )
    return Stored(
        conversations=own.count(),
        archived=own.exclude(archived_at=None).count(),
        messages=messages.count(),
        inferences=sums["number"],
        tokens=(sums["read"] or 0) + (sums["written"] or 0),
        since=sums["since"],
        uses=[
            Use(
                use["provider_name"],
                use["requested_model"],
                region_of(use["data_region"]),
                use["number"],
            )
            for use in uses
        ],
        disclosed=_disclosed(tenant),
    )


def _disclosed(tenant: Tenant) -> list[Disclosed]:
    openings = openings_about(tenant)
    rows = disclosures_about(tenant).select_related("requested_by", "decided_by")
    return [Disclosed(row, openings[row.pk]) for row in rows]


def export(tenant: Tenant) -> Iterator[str]:
    """Everything of the tenant's person as JSON text, a conversation at a time."""
    about = {
        "name": tenant.user.name,
        "email": tenant.user.email,
        "organisation": tenant.organisation.name,
        "role": tenant.role.value,
    }
    yield '{"format": "lex-custis/my-data/v1",\n"about": '
    yield json.dumps(about, ensure_ascii=False, cls=DjangoJSONEncoder)
    yield ',\n"conversations": ['
    own = Conversation.objects.for_tenant(tenant).filter(user_id=tenant.user.pk)
    for number, pk in enumerate(own.order_by("created_at").values_list("pk", flat=True)):
        yield ",\n" if number else "\n"
        yield exports.as_json(conversations.read(tenant, pk))
    yield "]}\n"

"""How the chat page shows regions, figures, receipts and the mark of what a machine wrote."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import template
from django.urls import NoReverseMatch, reverse
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from llm.regions import region_of
from llm.screening import holds_masks
from llm.transcript import ai_mark
from orgs.roles import Permission

register = template.Library()
register.simple_tag(region_of)
register.simple_tag(ai_mark)
register.filter(holds_masks)

_SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£"}


@register.simple_tag
def total_tokens(usage: Mapping[str, Any]) -> str:
    """All tokens of a call, as people write numbers."""
    return number_format(
        usage["input_tokens"] + usage["output_tokens"], use_l10n=True, force_grouping=True
    )


@register.filter
def money(cost: Mapping[str, Any]) -> str:
    """An amount with its currency; small ones with two significant digits."""
    amount = Decimal(cost["amount"])
    places = 2 if amount == 0 or amount >= Decimal("0.1") else 1 - amount.adjusted()
    places = min(places, 9)
    rounded = amount.quantize(Decimal(1).scaleb(-places))  # Django's own formatting cuts off
    symbol = _SYMBOLS.get(cost["currency"], f"{cost['currency']} ")
    return f"{symbol}{number_format(rounded, places, use_l10n=True)}"


@register.simple_tag(takes_context=True)
def record_link(context: dict[str, Any], record_id: UUID) -> SafeString:
    """Under which id an answer is in the audit log; a link for those who may read the log."""
    short = str(record_id)[-12:]
    code = format_html('<code title="{}">…{}</code>', record_id, short)
    tenant = context["request"].tenant
    if tenant.may(Permission.AUDIT_READ):
        code = format_html('<a href="{}">{}</a>', _record_address(record_id), code)
    return format_html("{} {}", _("in the audit log as"), code)


def _record_address(record_id: UUID) -> str:
    try:
        return reverse("admin:audit_recordindex_change", args=[record_id])
    except NoReverseMatch:
        return reverse("api:api-root") + f"audit/records/{record_id}"

"""The demo's accounts, for the sign-in page."""

from __future__ import annotations

from django import template
from django.conf import settings

from lexcustis.demo_accounts import DEMO_ACCOUNTS, DEMO_ORGANISATIONS

register = template.Library()


@register.simple_tag
def demo_accounts() -> list[dict[str, object]]:
    """Everyone a visitor of the demo may sign in as; nobody outside the demo."""
    if not settings.DEMO:
        return []
    return [
        {**account._asdict(), "organisation_name": DEMO_ORGANISATIONS[account.organisation]}
        for account in DEMO_ACCOUNTS
    ]

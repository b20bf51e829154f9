"""Requests per minute: of an organisation, a person, an API key and a provider.

Counted in Redis for all processes in one step; where Redis is away, each process counts for
itself, and so admits at most its own limit (promise of :mod:`llm.shared_state`). A minute's worth
may come at once, then requests come evenly.
"""

from __future__ import annotations

from uuid import UUID

from django.utils.translation import gettext as _

from llm.calls import Refused
from llm.models import CallRules
from llm.shared_state import shared_store
from orgs.tenancy import Tenant


def limits_of(tenant: Tenant, rules: CallRules) -> list[tuple[str, int]]:
    """The limits that a request of *tenant* counts against, by the key of their counter."""
    found = [
        (f"rate:organisation:{tenant.organisation_id}", rules.requests_per_minute),
        (
            f"rate:person:{tenant.organisation_id}:{tenant.user.pk}",
            rules.requests_per_minute_person,
        ),
    ]
    if tenant.api_key is not None:
        found.append((f"rate:key:{tenant.api_key.pk}", rules.requests_per_minute_key))
    return [(key, limit) for key, limit in found if limit is not None]


def limits_of_provider(settings_id: UUID | None, limit: int | None) -> list[tuple[str, int]]:
    """The limit of one provider, where it has one."""
    return [] if limit is None else [(f"rate:provider:{settings_id}", limit)]


def take(
    own: list[tuple[str, int]], provider: list[tuple[str, int]] | None = None
) -> Refused | None:
    """Count one request against all of these limits, or none of them and say which is reached.

    The refusal's code is ``rate_limited``, or ``provider_rate_limit`` where only the provider's
    own limit stands in the way.
    """
    limits = [*own, *(provider or [])]
    reached = shared_store().take(limits) if limits else None
    if reached is None:
        return None
    if reached.number >= len(own):
        code = "provider_rate_limit"
        message = _("Your organisation sends no more requests a minute to this provider.")
    else:
        code = "rate_limited"
        whose = limits[reached.number][0].split(":")[1]
        message = {
            "organisation": _("Your organisation's requests for this minute are used up."),
            "person": _("Your requests for this minute are used up."),
            "key": _("This key's requests for this minute are used up."),
        }[whose]
    message += " " + _("Nothing was sent. Try again in a moment.")
    return Refused(code, message, status=429, retry_after=reached.seconds)

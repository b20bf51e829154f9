"""What the organisation's own rules say about a call, before anything is sent."""

from __future__ import annotations

from django.http import Http404
from django.utils.translation import gettext as _

from llm.calls import Asked, Refused
from llm.routing import NoRoute, Route, route
from orgs.tenancy import Tenant

# HTTP statuses of refusals that are not plainly "not allowed".
_STATUS = {"model_not_offered": 422, "no_provider": 503, "provider_misconfigured": 503}


def decide(tenant: Tenant, asked: Asked) -> tuple[Route | None, Refused | None]:
    """Where the call goes, or why it goes nowhere.

    A refusal is recorded as ``inference.blocked`` and nothing is sent. There is no silent
    fallback: a region or a model that is not allowed is refused, never replaced (promise P8).
    ``Http404`` for a provider that the organisation does not have.
    """
    if tenant.organisation.is_paused:
        return None, Refused(
            "organisation_paused",
            _("Your organisation has paused the use of AI. Ask its compliance officer."),
        )
    try:
        return route(tenant, settings_id=asked.provider_id, model=asked.model), None
    except NoRoute as error:
        if error.code == "provider_unknown":
            raise Http404 from error
        return None, Refused(
            error.code,
            error.message,
            status=_STATUS.get(error.code, 403),
            provider_name=error.provider_name,
            region=error.region,
        )

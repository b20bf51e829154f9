"""Who in an organisation may use one of its providers: roles and people, for all of it or parts.

Where neither a role nor a person is named, everybody who may chat may use it. The rule is kept
before anything is sent (:mod:`llm.candidates`); here it is set and put into words.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from llm.models import ProviderSettings
from orgs.models import Membership
from orgs.roles import Role
from orgs.tenancy import Tenant

MOST_PEOPLE = 1000


def require_rule(tenant: Tenant, row: ProviderSettings, *, known: Collection[UUID] = ()) -> None:
    """Raise ``ValidationError`` unless the rule of *row* can be kept.

    *known* are people who stood in it before: they may have left since. Others are refused in the
    same words whether they belong to another organisation or do not exist (promise P4).
    """
    named = list(row.open_to_people)
    if len(set(named)) != len(named) or len(set(row.open_to_roles)) != len(row.open_to_roles):
        raise ValidationError({"open_to_people": _("Each role and person stands there once.")})
    if len(named) > MOST_PEOPLE:
        raise ValidationError({"open_to_people": _("Name at most a thousand people, or a role.")})
    new = set(named) - set(known)
    members = Membership.objects.for_tenant(tenant).filter(user_id__in=new)
    if members.count() != len(new):
        raise ValidationError({"open_to_people": _("There is no such person here.")})
    strange = [model for model in row.restricted_models if model not in row.models_offered]
    if strange:
        words = _("“%(model)s” is not among the models offered.") % {"model": strange[0][:200]}
        raise ValidationError({"restricted_models": words})
    if row.restricted_models and not (row.open_to_roles or row.open_to_people):
        words = _("Name a role or a person too, else nobody is restricted.")
        raise ValidationError({"restricted_models": words})


def people_to_choose(tenant: Tenant, row: ProviderSettings | None) -> list[tuple[str, str]]:
    """Members by name, and those who stand in the rule and have left since: (id, words)."""
    members = Membership.objects.for_tenant(tenant).select_related("user").order_by("user__name")
    found = {m.user_id: f"{m.user.name} ({m.user.email})" for m in members}
    left = [one for one in (row.open_to_people if row else []) if one not in found]
    return [(str(id_), words) for id_, words in found.items()] + [
        (str(id_), _("somebody who has left")) for id_ in left
    ]


def in_words(tenant: Tenant, row: ProviderSettings) -> str:
    """Who may use *row*, for people."""
    if not (row.open_to_roles or row.open_to_people):
        return _("everybody who may chat")
    names = dict(people_to_choose(tenant, row))
    who = [str(Role(role).label) for role in row.open_to_roles if role in Role.values]
    who += [names[str(one)] for one in row.open_to_people]
    if not row.restricted_models:
        return _("only: %(who)s") % {"who": ", ".join(who)}
    return _("%(models)s only: %(who)s; the other models: everybody who may chat") % {
        "models": ", ".join(row.restricted_models),
        "who": ", ".join(who),
    }


def as_recorded(row: ProviderSettings) -> dict[str, Any]:
    """The rule as the log has it: roles, opaque ids of people, and models. Empty: no rule."""
    if not (row.open_to_roles or row.open_to_people):
        return {}
    return {
        "lexcustis.provider.open_to_roles": sorted(row.open_to_roles),
        "lexcustis.provider.open_to_people": sorted(str(one) for one in row.open_to_people),
        "lexcustis.provider.restricted_models": sorted(row.restricted_models),
    }

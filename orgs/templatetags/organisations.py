"""The organisations a page may offer to the person who looks at it."""

from __future__ import annotations

from django import template

from orgs.models import Membership, User

register = template.Library()


@register.simple_tag
def memberships_of(user: User) -> list[Membership]:
    """The person's memberships by name of organisation, for the switcher."""
    memberships = Membership.unscoped.filter(  # the person's own, wherever they are
        user_id=user.pk
    )
    return list(memberships.select_related("organisation").order_by("organisation__name"))

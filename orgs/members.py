"""Adding, changing and removing members."""

from __future__ import annotations

from collections.abc import Mapping

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils.translation import gettext as _

from orgs.changes import SYSTEM, Change, announce
from orgs.models import Membership, Organisation, User
from orgs.roles import Permission, Role
from orgs.tenancy import Tenant, TenantQuerySet


def add_member(
    organisation: Organisation, user: User, role: Role, *, actor: Mapping[str, str] = SYSTEM
) -> Membership:
    """Give *user* a role in *organisation*."""
    with transaction.atomic():
        membership = Membership(organisation=organisation, user=user, role=role)
        membership.full_clean()
        membership.save(force_insert=True)
        _announce("member.added", membership, actor)
    return membership


def change_role(membership: Membership, role: Role, *, actor: Mapping[str, str]) -> None:
    """Change a member's role. Refused where it would leave no administrator."""
    with transaction.atomic():
        if role != Role.ADMINISTRATOR:
            _keep_an_administrator(membership)
        membership.role = role
        membership.full_clean()
        membership.save()
        _announce("member.changed", membership, actor)


def remove_member(membership: Membership, *, actor: Mapping[str, str]) -> None:
    """Take a person's role away. Refused where it would leave no administrator."""
    with transaction.atomic():
        _keep_an_administrator(membership)
        _announce("member.removed", membership, actor)
        membership.delete()


def members_of(tenant: Tenant) -> TenantQuerySet[Membership]:
    """The members of the tenant's organisation with their persons, by name."""
    tenant.require(Permission.MEMBER_READ)
    return Membership.objects.for_tenant(tenant).select_related("user").order_by("user__name", "pk")


def memberships_of(tenant: Tenant) -> list[Membership]:
    """Where the tenant's person may work: every organisation, but only its own for a key."""
    if tenant.api_key is not None:
        own = Membership.objects.for_tenant(tenant)
        return list(own.filter(user_id=tenant.user.pk).select_related("organisation"))
    return list(
        Membership.unscoped.filter(  # the person's own memberships, wherever they are
            user_id=tenant.user.pk
        )
        .select_related("organisation")
        .order_by("organisation__name", "pk")
    )


def _keep_an_administrator(membership: Membership) -> None:
    others = Membership.objects.for_organisation(membership.organisation_id).exclude(
        pk=membership.pk
    )
    if not others.filter(role=Role.ADMINISTRATOR).select_for_update().exists() and (
        Membership.unscoped.filter(pk=membership.pk, role=Role.ADMINISTRATOR).exists()
    ):
        raise ValidationError(_("An organisation keeps at least one administrator."))


def _announce(kind: str, membership: Membership, actor: Mapping[str, str]) -> None:
    details = {"lexcustis.member.id": str(membership.user_id), "lexcustis.role": membership.role}
    announce(Change(kind, membership.organisation_id, actor, membership.pk, details))

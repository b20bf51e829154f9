"""The tenant: for which organisation, as whom, and what is allowed.

Every view, API call and task works with one :class:`Tenant`. Rows of an organisation are reached
through ``Model.objects.for_tenant(tenant)``; the plain manager is called ``unscoped``, so that a
query across organisations stands out in review and can be searched for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, NoReturn, TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db import models

from orgs.roles import GRANTS, Permission, Role

if TYPE_CHECKING:
    from orgs.models import ApiKey, Membership, Organisation, User

_Model = TypeVar("_Model", bound=models.Model)


class PermissionRefused(PermissionDenied):
    """The tenant lacks a permission. The message names it and may be shown."""

    def __init__(self, permission: Permission) -> None:
        self.permission = permission
        super().__init__(f"This needs the permission “{permission.value}” ({permission.label}).")


class UnscopedAccess(RuntimeError):
    """A tenant's rows were asked for without naming the tenant: a mistake in the code."""


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organisation, and the person or key that acts in it."""

    organisation: Organisation
    role: Role
    permissions: frozenset[Permission]
    user: User
    api_key: ApiKey | None = None

    @property
    def organisation_id(self) -> UUID:
        """The organisation's id."""
        return self.organisation.pk

    @property
    def actor(self) -> dict[str, str]:
        """Who acts, as the ledger writes it: an opaque id and a type, nothing personal."""
        if self.api_key is not None:
            return {"id": str(self.api_key.pk), "type": "api_key"}
        return {"id": str(self.user.pk), "type": "user"}

    def may(self, permission: Permission) -> bool:
        """Whether the tenant holds *permission*."""
        return permission in self.permissions

    def require(self, permission: Permission) -> None:
        """Raise :class:`PermissionRefused` unless the tenant holds *permission*."""
        if permission not in self.permissions:
            raise PermissionRefused(permission)


def tenant_of(membership: Membership) -> Tenant:
    """The tenant of a signed-in person."""
    role = Role(membership.role)
    return Tenant(membership.organisation, role, GRANTS[role], membership.user)


def tenant_of_key(key: ApiKey, role: Role) -> Tenant:
    """The tenant of an API key: its owner's rights in *role*, narrowed to the key's scopes."""
    permissions = GRANTS[role] & {Permission(scope) for scope in key.scopes}
    return Tenant(key.organisation, role, frozenset(permissions), key.owner, key)


class TenantQuerySet(models.QuerySet[_Model]):
    """Rows that belong to an organisation; the path to it is ``organisation_path``."""

    def for_tenant(self, tenant: Tenant) -> TenantQuerySet[_Model]:
        """The rows of the tenant's organisation."""
        return self.for_organisation(tenant.organisation_id)

    def for_organisation(self, organisation_id: UUID) -> TenantQuerySet[_Model]:
        """The rows of one organisation, for tasks that go through organisations one by one."""
        path = getattr(self.model, "organisation_path", "organisation_id")
        return self.filter(**{path: organisation_id})


class TenantManager(models.Manager[_Model], Generic[_Model]):
    """The manager named ``objects``: it answers nothing before it knows the tenant."""

    def for_tenant(self, tenant: Tenant) -> TenantQuerySet[_Model]:
        """The rows of the tenant's organisation."""
        return TenantQuerySet[_Model](self.model, using=self._db).for_tenant(tenant)

    def for_organisation(self, organisation_id: UUID) -> TenantQuerySet[_Model]:
        """The rows of one organisation."""
        return TenantQuerySet[_Model](self.model, using=self._db).for_organisation(organisation_id)

    def create(self, **values: Any) -> _Model:
        """Insert a row: its values name the organisation, so nothing is unscoped here."""
        row = self.model(**values)
        row.save(force_insert=True, using=self._db)
        return row

    def get_queryset(self) -> NoReturn:
        """Refuse: the tenant is missing."""
        raise UnscopedAccess(
            f"{self.model.__name__}.objects needs .for_tenant(tenant) or .for_organisation(id); "
            f"a query across organisations is {self.model.__name__}.unscoped and needs a reason."
        )


class TenantModel(models.Model):
    """A model whose rows belong to one organisation."""

    objects: TenantManager[Any] = TenantManager()
    unscoped: models.Manager[Any] = models.Manager()

    class Meta:
        abstract = True
        # Django's own machinery (relations, validation, migrations) works with all rows.
        base_manager_name = "unscoped"
        default_manager_name = "unscoped"

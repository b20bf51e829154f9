"""Replacing keys of the vault while everything runs; every step can be interrupted and repeated.

An instance key is replaced by wrapping the organisations' keys anew. An organisation's key is
replaced by a new one that seals from now on; what rests in ordinary rows gets its item keys wrapped
by it. Content beside the log keeps the key it was sealed with: its rows never change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction

from orgs import vault
from orgs.changes import SYSTEM, Change, announce
from orgs.models import Organisation, OrganisationKey

_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of ordinary rows that holds what the vault sealed, empty where there is nothing."""

    model: type[models.Model]
    column: str
    place: Callable[[Any], str]


def wrapped_by() -> Counter[str]:
    """How many organisations' keys each instance key wraps, by the instance key's id."""
    return Counter(
        OrganisationKey.unscoped.values_list(  # the instance key is everybody's
            "instance_key_id", flat=True
        )
    )


def rewrap_organisation_keys() -> int:
    """Wrap every organisation's key with the newest instance key; return how many were not.

    Raises :class:`vault.VaultError` where the instance key of one is not in ``VAULT_KEYS``.
    """
    newest = next(iter(vault.instance_keys()))
    older = OrganisationKey.unscoped.exclude(instance_key_id=newest)  # everybody's
    count = 0
    for key_id in list(older.values_list("pk", flat=True)):
        with transaction.atomic():
            row = OrganisationKey.unscoped.select_for_update().get(pk=key_id)
            row.wrapped, row.instance_key_id = vault.rewrapped_organisation_key(row)
            row.save(update_fields=["wrapped", "instance_key_id"])
        count += 1
    return count


def renew_organisation_key(organisation: Organisation) -> int:
    """Make the key that seals the organisation's texts from now on; return its number.

    Other processes seal with it within :data:`vault.NEWEST_FOR_SECONDS`. Recorded as
    ``organisation.changed``.
    """
    with transaction.atomic():
        Organisation.objects.select_for_update().get(pk=organisation.pk)
        number = vault.create_organisation_key(organisation.pk)
        details = {"lexcustis.vault.key": number}
        announce(Change("organisation.changed", organisation.pk, SYSTEM, organisation.pk, details))
    return number


def rewrap_items(
    organisation: Organisation, columns: Iterable[SealedColumn]
) -> tuple[int, list[str]]:
    """Wrap the item keys of ordinary rows with the organisation's newest key.

    Returns how many, and the names of those values that do not open and stay as they are. A row
    that changes at the same moment keeps its change; the next run looks at it again.
    """
    count, damaged = 0, []
    for column in columns:
        moved, left = _rewrap_column(organisation, column)
        count += moved
        damaged += left
    return count, damaged


def _rewrap_column(organisation: Organisation, sealed: SealedColumn) -> tuple[int, list[str]]:
    newest, count, damaged = vault.newest_number(organisation.pk), 0, []
    everybodys: models.Manager[Any] = sealed.model._default_manager
    rows = everybodys.filter(organisation_id=organisation.pk).order_by("pk")
    for row in rows.iterator(_AT_ONCE):
        old = bytes(getattr(row, sealed.column))
        if not old or vault.number_of(old) == newest:
            continue
        try:
            new = vault.rewrap(organisation.pk, old, place=sealed.place(row))
        except vault.VaultError:
            damaged.append(f"{sealed.column} of {sealed.model._meta.label} {row.pk}")
            continue
        unchanged = everybodys.filter(pk=row.pk, **{sealed.column: old})
        count += unchanged.update(**{sealed.column: new})
    return count, damaged

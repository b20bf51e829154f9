"""Usage for billing: reported to an address of the organisation's, a day at a time, and signed.

Reports follow Standard Webhooks 1.0: ``webhook-id``, ``webhook-timestamp`` (seconds), and
``webhook-signature``, an HMAC-SHA256 over ``id.timestamp.body``. People and keys stand in them as
ids. The address passes the same guard as a provider's.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.kinds import Kind
from audit.ledger import Draft, append
from llm import usage
from llm.billing_models import BillingDelivery, BillingWebhook
from llm.providers.addresses import (
    UnsafeAddress,
    allowed_networks,
    check_addresses,
    literal_address,
    parse_base_url,
)
from orgs import vault
from orgs.models import Organisation
from orgs.roles import Permission
from orgs.tenancy import Tenant

SECRET_MARK = "whsec_"  # noqa: S105 - the mark before every secret, not one
# What a report is added up by: enough for an invoice to anybody who pays a part.
GROUPS: Sequence[str] = ("day", "provider", "model", "user", "api_key")
# Calls that ran over midnight have ended by then.
AFTER_MIDNIGHT = timedelta(hours=1)
# A webhook that was switched off or set up late gets at most these days.
MOST_DAYS_BACK = 7
MOST_TESTS_WAITING = 5


def usage_for_billing(tenant: Tenant, *, since: date, until: date) -> list[usage.UsageRow]:
    """Calls, tokens and cost by :data:`GROUPS`, every row of them. Needs ``usage:read``.

    People and keys stand as ids. Raises ``ValidationError``, also for more than a year.
    """
    tenant.require(Permission.USAGE_READ)
    if until - since > timedelta(days=366):
        raise ValidationError(_("Ask for at most a year at once."))
    return _complete(tenant.organisation, since, until)


def usage_as_csv(tenant: Tenant, *, since: date, until: date) -> str:
    """The same as CSV (RFC 4180), safe to open in a spreadsheet."""
    return usage.as_csv(usage_for_billing(tenant, since=since, until=until), GROUPS)


def _complete(organisation: Organisation, since: date, until: date) -> list[usage.UsageRow]:
    # An invoice with rows cut off would be wrong.
    return usage.usage_of_organisation(
        organisation, since=since, until=until, group_by=GROUPS, most=None
    )


def webhook_of(tenant: Tenant) -> BillingWebhook | None:
    """The organisation's webhook, if there is one. Needs ``organisation:manage``."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    row: BillingWebhook | None = BillingWebhook.objects.for_tenant(tenant).first()
    return row


def save_webhook(
    tenant: Tenant, *, url: str, is_enabled: bool = True
) -> tuple[BillingWebhook, str]:
    """Set the address; where there was none, also make the secret.

    Returns the row and the new secret, empty where the old one stays: this is the only time that
    it can be read. Raises ``ValidationError`` for an address that may not be called.
    """
    tenant.require(Permission.ORGANISATION_MANAGE)
    _check_address(url)
    with transaction.atomic():
        rows = BillingWebhook.objects.for_tenant(tenant).select_for_update()
        row: BillingWebhook | None = rows.first()
        secret = ""
        if row is None:
            row = BillingWebhook(organisation=tenant.organisation)
            secret = _new_secret(row)
        row.url, row.is_enabled = url, is_enabled
        row.full_clean()
        row.save()
        _record(tenant, row, "saved")
    return row, secret


def renew_secret(tenant: Tenant) -> str:
    """Replace the secret at once and return the new one, which is shown only now."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    with transaction.atomic():
        row = _required(tenant)
        secret = _new_secret(row)
        row.save()
        _record(tenant, row, "secret_renewed")
    return secret


def remove_webhook(tenant: Tenant) -> None:
    """Take the address and its reports away."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    with transaction.atomic():
        row = _required(tenant)
        _record(tenant, row, "deleted")
        row.delete()


def report_test(tenant: Tenant) -> BillingDelivery:
    """Put a report without usage on its way, to see whether it arrives."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    with transaction.atomic():
        row = _required(tenant)
        waiting = row.deliveries.filter(
            kind=BillingDelivery.Kind.TEST, state=BillingDelivery.State.WAITING
        )
        if waiting.count() >= MOST_TESTS_WAITING:
            raise ValidationError(_("Tests are waiting already. See what becomes of them first."))
        return _entered(row, BillingDelivery.Kind.TEST, None, {})


def deliveries(tenant: Tenant, *, most: int = 50) -> list[BillingDelivery]:
    """The newest reports."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    return list(BillingDelivery.objects.for_tenant(tenant)[:most])


def send_again(tenant: Tenant, delivery_id: UUID) -> BillingDelivery:
    """Put a report that was given up or delivered on its way once more, under the same id."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    with transaction.atomic():
        rows = BillingDelivery.objects.for_tenant(tenant).select_for_update()
        row: BillingDelivery = rows.get(pk=delivery_id)
        row.state, row.attempts = BillingDelivery.State.WAITING, 0
        row.next_attempt_at = timezone.now()
        row.save()
    return row


def enter_due(now: datetime | None = None) -> int:
    """Enter the reports of days that are over, each once; return how many.

    A day is the organisation's own; it is reported an hour after it ended.
    """
    now = now or timezone.now()
    entered = 0
    for webhook in BillingWebhook.unscoped.filter(  # every organisation's
        is_enabled=True
    ).select_related("organisation"):
        for day in _days_over(webhook, now):
            entered += _enter_day(webhook, day)
    return entered


def secret_of(webhook: BillingWebhook) -> bytes:
    """The bytes that sign."""
    return vault.unseal(webhook.organisation_id, bytes(webhook.secret), place=secret_place(webhook))


def secret_place(webhook: BillingWebhook) -> str:
    """The vault's name for where a webhook's secret stands."""
    return f"billing-webhook/{webhook.pk}"


def signed_headers(
    webhook: BillingWebhook, delivery: BillingDelivery, *, at: datetime
) -> dict[str, str]:
    """The headers of one attempt (Standard Webhooks 1.0)."""
    identifier, stamp = delivery.message_id, str(int(at.timestamp()))
    signed = f"{identifier}.{stamp}.{delivery.body}".encode()
    signature = hmac.new(secret_of(webhook), signed, hashlib.sha256).digest()
    return {
        "webhook-id": identifier,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
        "content-type": "application/json",
    }


def _days_over(webhook: BillingWebhook, now: datetime) -> list[date]:
    """The days that are over and not reported, oldest first, none before the webhook was made."""
    zone = ZoneInfo(webhook.organisation.time_zone)
    last = (now.astimezone(zone) - AFTER_MIDNIGHT).date() - timedelta(days=1)
    first = max(
        last - timedelta(days=MOST_DAYS_BACK - 1), webhook.created_at.astimezone(zone).date()
    )
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    known = set(
        webhook.deliveries.filter(kind=BillingDelivery.Kind.USAGE, day__in=days).values_list(
            "day", flat=True
        )
    )
    return [day for day in days if day not in known]


def _enter_day(webhook: BillingWebhook, day: date) -> int:
    rows = _complete(webhook.organisation, day, day)
    body = {"day": day.isoformat(), "rows": [_row(row) for row in rows]}
    with transaction.atomic():
        # Two clocks may tick at once: the second finds the day entered.
        locked = BillingWebhook.unscoped.select_for_update().filter(pk=webhook.pk).first()
        if (
            locked is None
            or locked.deliveries.filter(kind=BillingDelivery.Kind.USAGE, day=day).exists()
        ):
            return 0
        _entered(locked, BillingDelivery.Kind.USAGE, day, body)
    return 1


def _row(row: usage.UsageRow) -> dict[str, Any]:
    values = asdict(row)
    groups = values.pop("groups")
    cost = values.pop("cost")
    return {**groups, **values, "cost": None if cost is None else format(cost, "f")}


def _entered(
    webhook: BillingWebhook, kind: str, day: date | None, data: dict[str, Any]
) -> BillingDelivery:
    body = {
        "type": kind,
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "data": {"organisation": str(webhook.organisation_id), **data},
    }
    delivery: BillingDelivery = BillingDelivery.objects.create(
        organisation_id=webhook.organisation_id,
        webhook=webhook,
        kind=kind,
        day=day,
        body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
    )
    return delivery


def _required(tenant: Tenant) -> BillingWebhook:
    rows = BillingWebhook.objects.for_tenant(tenant).select_for_update()
    row: BillingWebhook = rows.get()
    return row


def _new_secret(row: BillingWebhook) -> str:
    key = secrets.token_bytes(32)
    row.secret = vault.seal(row.organisation_id, key, place=secret_place(row))
    row.secret_changed_at = timezone.now()
    return SECRET_MARK + base64.b64encode(key).decode()


def _check_address(text: str) -> None:
    """Refuse what may not be called, as far as the words alone tell; the call decides again."""
    try:
        url = parse_base_url(text)
        literal = literal_address(url.host)
        if literal is not None:
            networks = allowed_networks(settings.PROVIDER_ALLOWED_NETWORKS)
            check_addresses(url.host, [literal], scheme=url.scheme, networks=networks)
        elif url.scheme != "https":
            raise UnsafeAddress(_("Usage is sent over https only."))
    except UnsafeAddress as error:
        raise ValidationError({"url": str(error)}) from error


def _record(tenant: Tenant, row: BillingWebhook, change: str) -> None:
    body = {
        "lexcustis.policy": "billing_webhook",
        "lexcustis.change": change,
        "lexcustis.billing_webhook.id": str(row.pk),
        "lexcustis.billing_webhook.host": parse_base_url(row.url).host,
        "lexcustis.billing_webhook.enabled": row.is_enabled,
    }
    append(Draft(tenant.organisation_id, Kind.POLICY_CHANGED, tenant.actor, body))

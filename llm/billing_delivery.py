"""Sending reports of usage: each until it is taken, at pauses that grow to a day, then given up.

A report is claimed in one short transaction that also sets when it is tried again: a sender that
dies loses nothing, and receivers tell a repeated report by its ``webhook-id``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from llm.billing import signed_headers
from llm.billing_models import BillingDelivery
from llm.providers.addresses import UnsafeAddress, allowed_networks, parse_base_url
from llm.providers.errors import ProviderError
from llm.providers.http import Upstream

logger = structlog.get_logger(__name__)

# The schedule that Standard Webhooks recommends: seconds after each attempt that failed.
PAUSES_SECONDS = (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
# A sender that has not come back by then has died. Longer than the longest attempt.
LEASE = timedelta(minutes=2)
ATTEMPT_SECONDS = 20.0
# One turn of the clock; the next one goes on.
TURN_SECONDS = 50.0


def deliver_due() -> int:
    """Try every report that is due, of every organisation; return how many were delivered.

    An address that takes nothing is left alone until the next turn: it holds up nobody else's.
    """
    delivered = 0
    until = time.monotonic() + TURN_SECONDS
    unwilling: set[UUID] = set()
    while time.monotonic() < until:
        due = Q(next_attempt_at__lte=timezone.now(), webhook__is_enabled=True)
        delivery = _claimed(due & ~Q(webhook__in=unwilling))
        if delivery is None:
            break
        if _attempted(delivery):
            delivered += 1
        else:
            unwilling.add(delivery.webhook_id)
    return delivered


def deliver_now(delivery: BillingDelivery) -> BillingDelivery:
    """Try one report while somebody waits, also at an address that is switched off.

    Return it as it stands afterwards. It is not tried where another sender has it.
    """
    claimed = _claimed(Q(pk=delivery.pk, next_attempt_at__lte=timezone.now()))
    if claimed is not None:
        _attempted(claimed)
    delivery.refresh_from_db()
    return delivery


def _claimed(which: Q) -> BillingDelivery | None:
    with transaction.atomic():
        delivery: BillingDelivery | None = (
            BillingDelivery.unscoped.select_for_update(  # the sender serves all organisations
                skip_locked=True, of=("self",)
            )
            .filter(which, state=BillingDelivery.State.WAITING)
            .select_related("webhook")
            .order_by("next_attempt_at")
            .first()
        )
        if delivery is None:
            return None
        delivery.attempts += 1
        delivery.next_attempt_at = timezone.now() + LEASE
        delivery.save(update_fields=["attempts", "next_attempt_at"])
    return delivery


def _attempted(delivery: BillingDelivery) -> bool:
    problem, is_final = _sent(delivery)
    _settle(delivery, problem, is_final=is_final)
    return not problem


def _sent(delivery: BillingDelivery) -> tuple[str, bool]:
    """Try once; what went wrong, and whether trying again is useless."""
    try:
        headers = signed_headers(delivery.webhook, delivery, at=timezone.now())
        # A loop of its own: closing connections below must not close those of running answers.
        asyncio.run(_post(delivery, headers))
    except UnsafeAddress as error:
        return str(error), False
    except ProviderError as error:
        if error.upstream_status is None:
            return error.message, False
        # 410 is the receiver's word that nobody is there any more.
        words = _("It answered with status %(status)s.") % {"status": error.upstream_status}
        return words, error.upstream_status == 410
    return "", False


async def _post(delivery: BillingDelivery, headers: Mapping[str, str]) -> None:
    webhook = delivery.webhook
    upstream = Upstream(
        identity=f"billing-webhook-{webhook.pk}",
        provider=_("The address"),
        base_url=parse_base_url(webhook.url),
        networks=allowed_networks(settings.PROVIDER_ALLOWED_NETWORKS),
        idle_seconds=ATTEMPT_SECONDS,
        total_seconds=ATTEMPT_SECONDS,
        ca_file=settings.PROVIDER_CA_FILE,
    )
    async with upstream.call(
        "POST", "", delivery.body.encode(), headers=headers, seconds=ATTEMPT_SECONDS
    ):
        pass


def _settle(delivery: BillingDelivery, problem: str, *, is_final: bool) -> None:
    now = timezone.now()
    state = BillingDelivery.State
    values: dict[str, object] = {"last_problem": problem[:300]}
    if not problem:
        values |= {"state": state.DELIVERED, "delivered_at": now}
    elif is_final or delivery.attempts > len(PAUSES_SECONDS):
        values |= {"state": state.FAILED}
    else:
        pause = PAUSES_SECONDS[delivery.attempts - 1]
        values |= {"next_attempt_at": now + timedelta(seconds=pause)}
    rows = BillingDelivery.unscoped.filter(  # the one that was claimed, still in the same turn
        pk=delivery.pk, attempts=delivery.attempts, state=state.WAITING
    )
    rows.update(**values)
    logger.info(
        "billing.report_sent" if not problem else "billing.report_not_taken",
        delivery_id=str(delivery.pk),
        attempt=delivery.attempts,
        problem=problem,
    )

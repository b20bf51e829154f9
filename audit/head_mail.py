"""The monthly mail of the head: a copy of it in mailboxes that no database administrator owns.

Who keeps the mails can show a log that was rewritten later. Sent at the beginning of each month to
the organisation's compliance officers and auditors, once; a send that failed is tried again.
"""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.template.loader import render_to_string
from django.utils import timezone

from audit.anchor_models import HeadMail
from audit.anchors import anchoring_state
from audit.checkpoints import latest, verification_key
from audit.models import Log
from audit.notes import short
from orgs.models import Membership, Organisation
from orgs.roles import Role

logger = structlog.get_logger(__name__)

RECIPIENTS = (Role.COMPLIANCE_OFFICER, Role.AUDITOR)
_CLAIM = timedelta(minutes=30)


def mail_heads_due() -> int:
    """Mail this month's head to the officers of every organisation that still lacks it.

    Returns how many organisations were written to.
    """
    if not settings.HEAD_MAIL:
        return 0
    month = timezone.now().date().replace(day=1)
    done = HeadMail.unscoped.filter(month=month, sent_at__isnull=False)  # everybody's turn
    logs = Log.unscoped.filter(signed_size__gt=0)  # everybody's turn
    waiting = logs.exclude(organisation_id__in=done.values("organisation_id"))
    organisations = Organisation.objects.filter(pk__in=waiting.values("organisation_id"))
    return sum(mail_head(organisation, month) for organisation in organisations)


def mail_head(organisation: Organisation, month: date) -> bool:
    """Mail the newest head to the organisation's officers, unless that month's went out already."""
    checkpoint = latest(organisation.pk)
    addresses = officer_addresses(organisation.pk)
    if checkpoint is None or not addresses or not _claim(organisation.pk, month):
        return False
    context = {
        "organisation": organisation,
        "checkpoint": checkpoint,
        "note": short(checkpoint.note),
        "origin": checkpoint.note.partition("\n")[0],
        "anchoring": anchoring_state(organisation.pk),
        "verification_key": verification_key(),
        "month": month,
    }
    subject = f"Audit log of {' '.join(organisation.name.split())}: head of {month:%B %Y}"
    body = render_to_string("audit/mail/head.txt", context)
    mails = [EmailMessage(subject, body, None, [address]) for address in addresses]
    try:
        sent = get_connection().send_messages(mails)
    except OSError as error:  # smtplib's own errors are OSErrors too
        logger.warning("head_mail.failed", organisation=str(organisation.pk), error=str(error))
        return False
    HeadMail.objects.for_organisation(organisation.pk).filter(month=month).update(
        sent_at=timezone.now(), size=checkpoint.size, recipients=sent or 0
    )
    return True


def _claim(organisation_id: UUID, month: date) -> bool:
    """Whether it falls to us to send: nobody sent it, and nobody is at it."""
    now = timezone.now()
    HeadMail.unscoped.bulk_create(
        [HeadMail(organisation_id=organisation_id, month=month, claimed_at=now - 2 * _CLAIM)],
        ignore_conflicts=True,
    )
    mine = HeadMail.objects.for_organisation(organisation_id).filter(
        month=month, sent_at__isnull=True, claimed_at__lt=now - _CLAIM
    )
    return mine.update(claimed_at=now) == 1


def officer_addresses(organisation_id: UUID) -> list[str]:
    """The addresses of the organisation's compliance officers and auditors."""
    members = Membership.objects.for_organisation(organisation_id).filter(
        role__in=RECIPIENTS, user__is_active=True
    )
    return sorted(members.values_list("user__email", flat=True))

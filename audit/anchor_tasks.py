"""What the clock does for anchors."""

from __future__ import annotations

from celery import shared_task

from audit.anchors import anchor_due
from audit.head_mail import mail_heads_due


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator,unused-ignore]
def anchor_heads() -> None:
    """Have outsiders vouch for heads, where it is due."""
    anchor_due()


@shared_task(ignore_result=True)  # type: ignore[untyped-decorator,unused-ignore]
def mail_heads() -> None:
    """Mail this month's heads to the officers who lack them."""
    mail_heads_due()

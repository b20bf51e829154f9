"""Telling people by e-mail that a dossier is ready or failed. A link, never the file."""

from __future__ import annotations

from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.urls import reverse

from dossier.models import Dossier
from orgs.addresses import absolute
from orgs.models import Membership
from orgs.roles import Role


def tell_published(dossier: Dossier) -> None:
    """Tell who asked for it; for a scheduled one the compliance officers."""
    _tell(dossier, "published", f"Dossier ready: {dossier}")


def tell_failed(dossier: Dossier) -> None:
    """Tell the same people that it could not be made, and why."""
    _tell(dossier, "failed", f"Dossier could not be made: {dossier}")


def _tell(dossier: Dossier, template: str, subject: str) -> None:
    context = {
        "dossier": dossier,
        "address": address_of(dossier),
        "organisation": dossier.organisation,
    }
    text = render_to_string(f"dossier/mail_{template}.txt", context)
    for recipient in _recipients(dossier):
        EmailMessage(subject=" ".join(subject.split()), body=text, to=[recipient]).send()


def _recipients(dossier: Dossier) -> list[str]:
    """Only people who are members now: an address that has left learns nothing (P4)."""
    members = Membership.objects.for_organisation(dossier.organisation_id).filter(
        user__is_active=True
    )
    if dossier.requested_by_id:
        members = members.filter(user_id=dossier.requested_by_id)
    else:
        members = members.filter(role=Role.COMPLIANCE_OFFICER)
    return list(members.order_by("user__email").values_list("user__email", flat=True))


def address_of(dossier: Dossier) -> str:
    """The address of the dossier's page on this instance."""
    return absolute(reverse("admin:dossier_dossier_change", args=[dossier.pk]))

"""People as the instance knows them, and how somebody new gets in.

Nobody learns a password that another person will use: a new member gets a link, by mail, to set
their own. Only the instance's operator may hand over an initial password instead, where there is
no mail; an administrator who could do so would hold a key to every organisation that takes the
same person in later.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import partial
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.mail import send_mail
from django.db import transaction
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from orgs.changes import Change, announce
from orgs.members import add_member
from orgs.models import Membership, Organisation, User
from orgs.organisations import create_organisation
from orgs.roles import Permission, Role
from orgs.tenancy import Tenant


def invite_member(
    request: HttpRequest, tenant: Tenant, *, email: str, name: str, role: Role
) -> Membership:
    """Take a person into the tenant's organisation, known to the instance or not yet.

    They get a mail with the way in. The name counts only for somebody new: a person is called as
    they are called already.
    """
    tenant.require(Permission.MEMBER_MANAGE)
    with transaction.atomic():
        user = _known(email) or create_person(email=email, name=name)[0]
        membership = add_member(tenant.organisation, user, role, actor=tenant.actor)
        send = partial(send_invitation, request, user, tenant.organisation)
        transaction.on_commit(send, robust=True)
    return membership


def create_person(
    *, email: str, name: str, initial_password: bool = False, **fields: Any
) -> tuple[User, str]:
    """Make a person; return them and their initial password, empty unless it was asked for."""
    user = User(email=User.objects.normalize_email(email).lower(), name=name, **fields)
    password = secrets.token_urlsafe(15) if initial_password else ""
    user.set_password(password or None)
    user.full_clean()
    user.save(force_insert=True)
    return user, password


def change_person(person: User, *, actor: Mapping[str, str], **fields: Any) -> None:
    """Change fields of a person. Every organisation they belong to records a lock or unlock."""
    with transaction.atomic():
        locked = User.objects.select_for_update().get(pk=person.pk)
        if locked.is_superuser and not fields.get("is_superuser", True):
            _keep_an_operator(locked)
        switched = fields.get("is_active", locked.is_active) != locked.is_active
        for name, value in fields.items():
            setattr(locked, name, value)
        if not locked.is_active and locked.is_superuser:
            _keep_an_operator(locked)
        locked.full_clean()
        locked.save()
        if switched:
            _announce_switch(locked, actor)


def found_organisation(
    request: HttpRequest, *, administrator_email: str, administrator_name: str, **fields: Any
) -> Organisation:
    """Make an organisation and its first administrator, on the word of the operator."""
    operator = request.user
    if not isinstance(operator, User) or not operator.is_superuser:
        raise PermissionDenied("Only the operator of the instance makes organisations.")
    actor = {"id": str(operator.pk), "type": "user"}
    with transaction.atomic():
        organisation = create_organisation(actor=actor, **fields)
        user = _known(administrator_email)
        if user is None:
            user = create_person(email=administrator_email, name=administrator_name)[0]
        add_member(organisation, user, Role.ADMINISTRATOR, actor=actor)
        send = partial(send_invitation, request, user, organisation)
        transaction.on_commit(send, robust=True)
    return organisation


def send_invitation(request: HttpRequest, user: User, organisation: Organisation | None) -> None:
    """Mail a person the way in: a link to set a password, or the sign-in page if they have one."""
    if user.has_usable_password():
        path = reverse("account_login")
    else:
        uid, token = user_pk_to_url_str(user), default_token_generator.make_token(user)
        path = reverse("account_reset_password_from_key", kwargs={"uidb36": uid, "key": token})
    context = {
        "user": user,
        "organisation": organisation,
        "address": request.build_absolute_uri(path),
        "sets_password": not user.has_usable_password(),
    }
    place = organisation.name if organisation else "Lex Custis"
    subject = _("You have access to %(place)s") % {"place": place}
    send_mail(
        " ".join(subject.split()),  # a name may hold a line break, a subject may not
        render_to_string("orgs/mail/invitation.txt", context),
        None,
        [user.email],
    )


def _known(email: str) -> User | None:
    return User.objects.filter(email=User.objects.normalize_email(email).lower()).first()


def _keep_an_operator(leaving: User) -> None:
    others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=leaving.pk)
    if not others.exists():
        raise ValidationError(_("The instance keeps at least one operator who can sign in."))


def _announce_switch(person: User, actor: Mapping[str, str]) -> None:
    memberships = Membership.unscoped.filter(user=person)  # wherever the person belongs
    for membership in memberships:
        details = {"lexcustis.member.id": str(person.pk), "lexcustis.active": person.is_active}
        announce(
            Change("member.changed", membership.organisation_id, actor, membership.pk, details)
        )

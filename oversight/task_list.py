"""What has to be done by a moment: entered by people, or kept up by an incident's clock.

Whoever a task is for is reminded by e-mail when half and four fifths of the time are over, and
when all of it is. A mail names the task and leads to its page; it says nothing of an incident.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import Q
from django.http import Http404
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.kinds import Kind
from audit.ledger import Draft, Link, Text, append
from audit.records import write_time
from orgs.addresses import absolute
from orgs.days import require_plausible
from orgs.identifiers import uuid7
from orgs.models import Membership, User
from orgs.roles import GRANTS, Permission, Role
from orgs.tenancy import Tenant, TenantQuerySet
from oversight.clocks import clock_of
from oversight.models import Incident, Task

# Shares of the time, in per cent, at which somebody is reminded.
REMINDERS = (50, 80, 100)
_AT_ONCE = 500


def open_task(
    tenant: Tenant,
    *,
    name: str,
    due_at: datetime,
    assignee: User | None = None,
    is_reminded: bool = True,
) -> Task:
    """Enter a task; without *assignee* it is for all officers. Needs ``incident:manage``."""
    tenant.require(Permission.INCIDENT_MANAGE)
    require_plausible(due_at=due_at.date())
    if due_at <= timezone.now():
        raise ValidationError({"due_at": _("This moment is over.")})
    if assignee is not None:
        _require_may_do(tenant, assignee)
    task = Task(
        id=uuid7(),
        organisation_id=tenant.organisation_id,
        name=name.strip(),
        assignee=assignee,
        due_at=due_at,
        is_reminded=is_reminded,
        opened_at=timezone.now(),
    )
    task.full_clean(exclude=["organisation", "assignee"])
    with transaction.atomic():
        task.save(force_insert=True)
        _record_opened(tenant, task)
    return task


def complete(tenant: Tenant, task: Task) -> Task:
    """Say that a task is done. Needs ``incident:manage``.

    That of an incident is done when the incident is reported, resolved or found not serious.
    """
    with transaction.atomic():
        row = _locked(tenant, task)
        if row.incident_id is not None:
            raise ValidationError(_("It is done when its incident is reported or ended."))
        if row.done_at is not None:
            raise ValidationError(_("This is done already."))
        _done(tenant, row)
    return row


def assign(tenant: Tenant, task: Task, *, assignee: User | None, is_reminded: bool) -> Task:
    """Say whom a task is for, and whether they are reminded. Needs ``incident:manage``."""
    with transaction.atomic():
        row = _locked(tenant, task)
        if assignee is not None and assignee.pk != row.assignee_id:
            _require_may_do(tenant, assignee)
        row.assignee, row.is_reminded = assignee, is_reminded
        row.save()
    return row


def follow(tenant: Tenant, incident: Incident) -> None:
    """Keep the incident's own task up, inside the caller's transaction: due with its clock.

    Done by the report to the authority, and where nothing is left to report or to do.
    """
    clock = clock_of(incident)
    task = Task.objects.for_tenant(tenant).filter(incident_id=incident.pk).first()
    is_done = incident.is_over or incident.reported_at is not None
    if task is None:
        task = Task(
            id=uuid7(),
            organisation_id=tenant.organisation_id,
            name=_("Assess incident %(incident)s, and report it if it is serious")
            % {"incident": incident},
            incident=incident,
            opened_at=incident.aware_at,
            due_at=clock.ends_at if clock else None,
        )
        task.save(force_insert=True)
        _record_opened(tenant, task)
        transaction.on_commit(lambda: _tell_opened(task.pk), robust=True)
    elif is_done and task.done_at is None:
        _done(tenant, task)
    else:
        if not is_done:
            task.done_at = task.done_by = None
        due_at = clock.ends_at if clock else None
        if due_at != task.due_at:  # a shorter window may have passed shares that were not told yet
            task.due_at, task.reminded_at_percent = due_at, 0
        task.opened_at = incident.aware_at
        task.save()


def tasks_of(tenant: Tenant) -> TenantQuerySet[Task]:
    """The organisation's tasks. Needs ``incident:manage``."""
    tenant.require(Permission.INCIDENT_MANAGE)
    return Task.objects.for_tenant(tenant).select_related("assignee", "incident", "done_by")


def find_task(tenant: Tenant, task_id: UUID) -> Task:
    """One of the organisation's tasks; ``Http404`` for any other."""
    found: Task | None = tasks_of(tenant).filter(pk=task_id).first()
    if found is None:
        raise Http404
    return found


def people_who_may(tenant: Tenant) -> list[User]:
    """Whom a task can be given to: who may handle incidents. Needs ``incident:manage`` oneself."""
    tenant.require(Permission.INCIDENT_MANAGE)
    rows = Membership.objects.for_tenant(tenant).filter(role__in=_ROLES, user__is_active=True)
    return [row.user for row in rows.select_related("user").order_by("user__name")]


# -- Reminders -------------------------------------------------------------------------------------


def remind_due() -> int:
    """Remind of every task of which another share of the time is over; how many mails were due."""
    now = timezone.now()
    waiting = Task.unscoped.filter(  # the clock looks for all organisations
        Q(due_at__isnull=False), done_at=None, is_reminded=True, reminded_at_percent__lt=100
    )
    due = [task.pk for task in waiting.iterator() if _share(task, now) > task.reminded_at_percent]
    return sum(_remind(pk) for pk in due[:_AT_ONCE])


def _share(task: Task, now: datetime) -> int:
    """The last of :data:`REMINDERS` that is over, 0 before the first."""
    if task.due_at is None:
        return 0
    window = (task.due_at - task.opened_at).total_seconds()
    passed = 100 * (now - task.opened_at).total_seconds() / window if window > 0 else 100
    return max((share for share in REMINDERS if share <= passed), default=0)


def _remind(task_id: UUID) -> bool:
    with transaction.atomic():
        task = (
            Task.unscoped.select_for_update(skip_locked=True)  # found by the clock
            .filter(pk=task_id, done_at=None, is_reminded=True)
            .first()
        )
        share = _share(task, timezone.now()) if task else 0
        if task is None or share <= task.reminded_at_percent:
            return False
        task.reminded_at_percent = share
        task.save(update_fields=["reminded_at_percent"])
        transaction.on_commit(lambda: _mail(task, "late" if share >= 100 else "due"), robust=True)
    return True


def _tell_opened(task_id: UUID) -> None:
    """Write to whom a new task is for, unless it is done already."""
    task = Task.unscoped.filter(pk=task_id, done_at=None).first()  # just made, by its id
    if task is not None:
        _mail(task, "opened")


def _mail(task: Task, occasion: str) -> None:
    """Write to whom the task is for."""
    subjects = {
        "opened": _("New task: %(task)s"),
        "due": _("Due soon: %(task)s"),
        "late": _("Overdue: %(task)s"),
    }
    context = {
        "task": task,
        "occasion": occasion,
        "address": absolute(reverse("admin:oversight_task_change", args=[task.pk])),
    }
    text = render_to_string("oversight/mail_task.txt", context)
    subject = " ".join((subjects[occasion] % {"task": task}).split())
    for email in _recipients(task):
        EmailMessage(subject=subject, body=text, to=[email]).send()


def _recipients(task: Task) -> Sequence[str]:
    """Only people who are members now: an address that has left learns nothing (P4)."""
    members = Membership.objects.for_organisation(task.organisation_id).filter(
        user__is_active=True, role__in=_ROLES
    )
    chosen = members.filter(user_id=task.assignee_id) if task.assignee_id else members.none()
    if not chosen.exists():
        chosen = members.filter(role=Role.COMPLIANCE_OFFICER)
    return list(chosen.order_by("user__email").values_list("user__email", flat=True))


_ROLES = [role for role, granted in GRANTS.items() if Permission.INCIDENT_MANAGE in granted]


def _require_may_do(tenant: Tenant, person: User) -> None:
    if person not in people_who_may(tenant):
        raise ValidationError({"assignee": _("This person does not handle incidents here.")})


def _locked(tenant: Tenant, task: Task) -> Task:
    tenant.require(Permission.INCIDENT_MANAGE)
    row: Task | None = (
        Task.objects.for_tenant(tenant).select_for_update().filter(pk=task.pk).first()
    )
    if row is None:
        raise Http404
    return row


def _done(tenant: Tenant, task: Task) -> None:
    task.done_at, task.done_by = timezone.now(), tenant.user
    task.save()
    links = [Link(task.pk, "task")]
    append(Draft(tenant.organisation_id, Kind.TASK_DONE, tenant.actor, {}, links=links))


def _record_opened(tenant: Tenant, task: Task) -> None:
    body: dict[str, Any] = {}
    if task.due_at is not None:
        body["lexcustis.task.due_at"] = write_time(task.due_at)
    if task.assignee_id is not None:
        body["lexcustis.task.assignee"] = str(task.assignee_id)
    append(
        Draft(
            tenant.organisation_id,
            Kind.TASK_OPENED,
            tenant.actor,
            body,
            content={"name": Text(task.name)},
            links=[Link(task.incident_id, "incident")] if task.incident_id else [],
            id=task.pk,
        )
    )

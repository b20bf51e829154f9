"""What stands in the admin's left column, in the words of the people who work there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from orgs.roles import Permission
from orgs.tenancy import Tenant

if TYPE_CHECKING:
    from lexcustis.admin_site import LexCustisAdminSite

Words = str | Promise


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the column."""

    label: Words
    address: str
    icon: str
    is_current: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """Some lines under one heading."""

    heading: Words
    entries: list[Entry]


# Heading, then (label, registered model or named page of the admin, icon).
_PLAN: list[tuple[Words, list[tuple[Words, str, str]]]] = [
    ("", [(_("Today"), "index", "today")]),
    (
        _("Oversight"),
        [
            (_("Reviews"), "oversight.review", "check"),
            (_("Incidents"), "oversight.incident", "alert"),
            (_("Tasks"), "oversight.task", "clock"),
        ],
    ),
    (
        _("Evidence"),
        [
            (_("Audit log"), "audit.recordindex", "record"),
            (_("Proof of the log"), "audit_log", "mark"),
            (_("Disclosures"), "audit.disclosure", "shield"),
            (_("Requests to erase"), "audit.erasurerequest", "people"),
            (_("Legal holds"), "audit.hold", "lock"),
            (_("Dossiers"), "dossier.dossier", "dossier"),
            (_("AI systems"), "orgs.aisystem", "ai"),
            (_("Declarations"), "dossier.declaration", "edit"),
            (_("Upstream register"), "upstream", "server"),
            (_("Facts of law"), "facts", "list"),
            (_("Schedules"), "dossier.dossierschedule", "clock"),
            (_("Auditor links"), "dossier.auditorlink", "key"),
        ],
    ),
    (
        _("Models"),
        [
            (_("Inferences"), "llm.inference", "ai"),
            (_("Providers"), "llm.providersettings", "server"),
            (_("Rules for calls"), "llm.callrules", "shield"),
            (_("Budgets"), "llm.budget", "budget"),
            (_("Usage and cost"), "usage", "list"),
            (_("Usage for billing"), "llm.billingdelivery", "dossier"),
        ],
    ),
    (
        _("Organisation"),
        [
            (_("Members"), "orgs.membership", "people"),
            (_("API keys"), "orgs.apikey", "key"),
            (_("Organisation"), "own_organisation", "building"),
        ],
    ),
]
_OPERATION: list[tuple[Words, str, str]] = [
    (_("Organisations"), "orgs.organisation", "building"),
    (_("People"), "orgs.user", "user"),
]


def navigation(site: LexCustisAdminSite, request: HttpRequest) -> list[Group]:
    """The groups of pages that this person may see.

    A page that the plan does not name stands under its app's name, so that none is lost.
    """
    offered = _offered(site, request)
    has_tenant = bool(request.tenant)  # type: ignore[attr-defined]
    plan = [(heading, lines) for heading, lines in _PLAN if has_tenant or not heading]
    if getattr(request.user, "is_superuser", False):
        plan.append((_("Operation"), _OPERATION))
    groups = [(heading, _entries(lines, offered)) for heading, lines in plan]
    named = {name for _heading, lines in [*_PLAN, ("", _OPERATION)] for _l, name, _i in lines}
    groups += [(app["name"], _unnamed(app, named)) for app in site.get_app_list(request)]
    current = _current(request.path, [entry for _h, entries in groups for entry in entries])
    return [
        Group(heading, [_marked(entry, current) for entry in entries])
        for heading, entries in groups
        if entries
    ]


def _offered(site: LexCustisAdminSite, request: HttpRequest) -> Mapping[str, str]:
    """Addresses of the pages that the person may see, by model or by name."""
    addresses = {"index": reverse("admin:index")}
    for model, model_admin in site._registry.items():
        if model_admin.has_view_permission(request):
            options = model._meta
            name = f"admin:{options.app_label}_{options.model_name}_changelist"
            addresses[options.label_lower] = reverse(name)
    tenant: Tenant | None = request.tenant  # type: ignore[attr-defined]
    if tenant and tenant.may(Permission.ORGANISATION_MANAGE):
        own = reverse("admin:orgs_organisation_change", args=[tenant.organisation_id])
        addresses["own_organisation"] = own
    if "audit.recordindex" in addresses:
        addresses["audit_log"] = reverse("admin:audit_log")
    if "dossier.upstreamdocument" in addresses:
        addresses["upstream"] = reverse("admin:dossier_upstream")
        addresses["facts"] = reverse("admin:dossier_facts")
    if "llm.budget" in addresses:
        addresses["usage"] = reverse("admin:llm_usage")
    return addresses


def _entries(lines: list[tuple[Any, str, str]], offered: Mapping[str, str]) -> list[Entry]:
    return [Entry(label, offered[name], icon) for label, name, icon in lines if name in offered]


def _unnamed(app: Any, named: set[str]) -> list[Entry]:
    """Pages of an app that the plan does not name."""
    return [
        Entry(capfirst(model["name"]), model["admin_url"], "list")
        for model in app["models"]
        if model["model"]._meta.label_lower not in named and model["admin_url"]
    ]


def _current(path: str, entries: list[Entry]) -> str:
    """The longest address that the path lies under; the start page only for itself."""
    index = reverse("admin:index")
    under = [e.address for e in entries if path.startswith(e.address) and e.address != index]
    return max(under, key=len, default=index if path == index else "")


def _marked(entry: Entry, current: str) -> Entry:
    return Entry(entry.label, entry.address, entry.icon, entry.address == current)

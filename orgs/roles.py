"""Roles, and what each may do. An API key's scopes are permissions too, and only narrow them."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What a person is in one organisation."""

    ADMINISTRATOR = "administrator", _("Administrator")
    COMPLIANCE_OFFICER = "compliance_officer", _("Compliance officer")
    REVIEWER = "reviewer", _("Reviewer")
    MEMBER = "member", _("Member")
    AUDITOR = "auditor", _("Auditor")


class Permission(models.TextChoices):
    """One thing that a person or an API key may do."""

    CHAT = "chat", _("Chat and use the model API")
    AUDIT_READ = "audit:read", _("Read audit records, checkpoints and proofs")
    CONTENT_READ = "content:read", _("Ask to read other people's prompts and answers")
    CONTENT_ERASE = "content:erase", _("Erase content")
    REVIEW = "review", _("Review answers")
    INCIDENT_MANAGE = "incident:manage", _("Handle incidents")
    PROVIDER_READ = "provider:read", _("See provider settings")
    PROVIDER_MANAGE = "provider:manage", _("Change provider settings")
    MEMBER_READ = "member:read", _("See members")
    MEMBER_MANAGE = "member:manage", _("Add, change and remove members")
    KEY_MANAGE = "key:manage", _("Create and revoke API keys")
    ORGANISATION_MANAGE = "organisation:manage", _("Change the organisation, pause it")
    DOSSIER_READ = "dossier:read", _("See and download dossiers")
    DOSSIER_REQUEST = "dossier:request", _("Request dossiers")
    DECLARE = "declare", _("Make declarations for dossiers")
    USAGE_READ = "usage:read", _("See usage and cost")


_P = Permission
_READS = {_P.AUDIT_READ, _P.PROVIDER_READ, _P.MEMBER_READ, _P.DOSSIER_READ, _P.USAGE_READ}

GRANTS: dict[Role, frozenset[Permission]] = {
    Role.ADMINISTRATOR: frozenset(
        _READS
        | {_P.CHAT, _P.PROVIDER_MANAGE, _P.MEMBER_MANAGE, _P.KEY_MANAGE, _P.ORGANISATION_MANAGE}
    ),
    Role.COMPLIANCE_OFFICER: frozenset(
        _READS
        | {_P.CHAT, _P.CONTENT_READ, _P.CONTENT_ERASE, _P.REVIEW, _P.INCIDENT_MANAGE}
        | {_P.DOSSIER_REQUEST, _P.DECLARE, _P.ORGANISATION_MANAGE}
    ),
    Role.REVIEWER: frozenset({_P.CHAT, _P.AUDIT_READ, _P.REVIEW, _P.INCIDENT_MANAGE}),
    Role.MEMBER: frozenset({_P.CHAT}),
    Role.AUDITOR: frozenset({_P.AUDIT_READ, _P.DOSSIER_READ}),
}

# Who works in the admin at all; members have the chat pages.
ADMIN_ROLES = frozenset(Role) - {Role.MEMBER}

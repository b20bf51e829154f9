"""The kinds of records: a subject, a dot, a past participle. The list is closed."""

from __future__ import annotations

import enum


class Kind(enum.StrEnum):
    """What a record says happened."""

    INFERENCE_REQUESTED = "inference.requested"
    INFERENCE_COMPLETED = "inference.completed"
    INFERENCE_STOPPED = "inference.stopped"
    INFERENCE_FAILED = "inference.failed"
    INFERENCE_BLOCKED = "inference.blocked"
    INFERENCE_INTERRUPTED = "inference.interrupted"

    OVERSIGHT_REQUESTED = "oversight.requested"
    OVERSIGHT_ASSIGNED = "oversight.assigned"
    OVERSIGHT_ACCEPTED = "oversight.accepted"
    OVERSIGHT_MODIFIED = "oversight.modified"
    OVERSIGHT_REJECTED = "oversight.rejected"

    INCIDENT_OPENED = "incident.opened"
    INCIDENT_UPDATED = "incident.updated"
    INCIDENT_REPORTED = "incident.reported"
    INCIDENT_CLOSED = "incident.closed"

    PROVIDER_CREATED = "provider.created"
    PROVIDER_CHANGED = "provider.changed"
    PROVIDER_DISABLED = "provider.disabled"
    PROVIDER_DELETED = "provider.deleted"

    ORGANISATION_CREATED = "organisation.created"
    ORGANISATION_CHANGED = "organisation.changed"
    ORGANISATION_PAUSED = "organisation.paused"
    ORGANISATION_RESUMED = "organisation.resumed"

    SYSTEM_REGISTERED = "system.registered"
    SYSTEM_CHANGED = "system.changed"
    SYSTEM_RETIRED = "system.retired"

    MEMBER_ADDED = "member.added"
    MEMBER_CHANGED = "member.changed"
    MEMBER_REMOVED = "member.removed"

    KEY_CREATED = "key.created"
    KEY_REVOKED = "key.revoked"

    CONTENT_REQUESTED = "content.requested"
    CONTENT_RELEASED = "content.released"
    CONTENT_REFUSED = "content.refused"
    CONTENT_READ = "content.read"
    CONTENT_ERASURE_REQUESTED = "content.erasure_requested"
    CONTENT_ERASURE_REFUSED = "content.erasure_refused"
    CONTENT_ERASED = "content.erased"
    CONTENT_HELD = "content.held"
    CONTENT_UNHELD = "content.unheld"
    CONTENT_EXPIRED = "content.expired"

    POLICY_CHANGED = "policy.changed"
    TASK_OPENED = "task.opened"
    TASK_DONE = "task.done"
    DECLARATION_MADE = "declaration.made"
    DECLARATION_WITHDRAWN = "declaration.withdrawn"

    UPSTREAM_DOCUMENTED = "upstream.documented"
    UPSTREAM_REQUESTED = "upstream.requested"
    UPSTREAM_ANSWERED = "upstream.answered"
    UPSTREAM_REMINDED = "upstream.reminded"

    FACT_CONFIRMED = "fact.confirmed"
    FACT_OVERRIDDEN = "fact.overridden"

    DOSSIER_REQUESTED = "dossier.requested"
    DOSSIER_PUBLISHED = "dossier.published"
    DOSSIER_FAILED = "dossier.failed"
    DOSSIER_DOWNLOADED = "dossier.downloaded"
    LINK_CREATED = "link.created"
    LINK_REVOKED = "link.revoked"

    LOG_OPENED = "log.opened"
    LOG_HEARTBEAT = "log.heartbeat"
    LOG_RECOVERED = "log.recovered"
    LOG_PRUNED = "log.pruned"
    LOG_EXPORTED = "log.exported"
    LOG_KEY_ADDED = "log.key_added"
    LOG_KEY_RETIRED = "log.key_retired"

    @property
    def subject(self) -> str:
        """The part before the dot."""
        return self.value.partition(".")[0]

    @property
    def is_awaited(self) -> bool:
        """Whether a person waits until a checkpoint covers such a record.

        Inferences are acknowledged when committed; heartbeats have nobody waiting.
        """
        return self.subject != "inference" and self is not Kind.LOG_HEARTBEAT


# The ways an inference ends: exactly one of them follows each ``inference.requested`` (P3).
INFERENCE_ENDINGS = frozenset(
    {
        Kind.INFERENCE_COMPLETED,
        Kind.INFERENCE_STOPPED,
        Kind.INFERENCE_FAILED,
        Kind.INFERENCE_BLOCKED,
        Kind.INFERENCE_INTERRUPTED,
    }
)

"""Django's view of audit."""

from django.apps import AppConfig


class AuditConfig(AppConfig):
    """What happened, so that an outsider can check it. Knows nothing of language models."""

    name = "audit"
    verbose_name = "Audit log"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Listen to what the floor below announces."""
        from audit.announcements import record_change
        from orgs.changes import subscribe

        subscribe(record_change)

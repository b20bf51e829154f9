"""Django's view of oversight."""

from django.apps import AppConfig


class OversightConfig(AppConfig):
    """What people did about it: reviews, incidents, tasks."""

    name = "oversight"
    verbose_name = "Oversight"
    default_auto_field = "django.db.models.BigAutoField"

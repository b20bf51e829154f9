"""Django's view of orgs."""

from django.apps import AppConfig


class OrgsConfig(AppConfig):
    """The ground floor: everything else stands on it, it stands on nothing."""

    name = "orgs"
    verbose_name = "Organisations"
    default_auto_field = "django.db.models.BigAutoField"

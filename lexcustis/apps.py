"""Django's view of the site itself."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class LexCustisConfig(AppConfig):
    """The wiring: commands that start the product, system checks, the demo."""

    name = "lexcustis"
    verbose_name = "Lex Custis"

    def ready(self) -> None:
        """Register the system checks."""
        from lexcustis.checks import register_checks

        register_checks()


class LexCustisAdminConfig(AdminConfig):
    """The stock admin under our own site: theme, dashboard and tenant rules."""

    default_site = "lexcustis.admin_site.LexCustisAdminSite"

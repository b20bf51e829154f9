"""Django's view of dossier."""

from django.apps import AppConfig


class DossierConfig(AppConfig):
    """What an outsider gets: facts of law, manifests, PDF, bundle, schedule."""

    name = "dossier"
    verbose_name = "Dossiers"
    default_auto_field = "django.db.models.BigAutoField"

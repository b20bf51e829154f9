"""Django's view of llm."""

from django.apps import AppConfig


class LlmConfig(AppConfig):
    """Language models: how they are reached, by whom, at what price."""

    name = "llm"
    verbose_name = "Language models"
    default_auto_field = "django.db.models.BigAutoField"

"""Make the catalogues of the dossier's languages anew, without any program but this one."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from dossier.messages import TRANSLATED, write


class Command(BaseCommand):
    """Write ``locale/*/LC_MESSAGES/django.po`` and ``.mo``, and name what is not translated."""

    help = "Collect what dossiers print, keep the translations, compile the catalogues."

    def handle(self, *args: Any, **options: Any) -> None:
        """Go through the languages."""
        for language in TRANSLATED:
            missing = write(language)
            self.stdout.write(f"{language.value}: {len(missing)} without a translation")
            for text in missing:
                self.stdout.write(f"  {text}")

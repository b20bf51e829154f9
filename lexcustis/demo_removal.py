"""Taking the demo away. Records cannot be taken out of a log, so the whole instance goes."""

from __future__ import annotations

import os
import shutil

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction

from lexcustis.demo_accounts import DEMO_ORGANISATIONS
from lexcustis.embedded import is_embedded, remove_data
from lexcustis.instance import only_instance
from orgs.models import Organisation


class NotOnlyTheDemo(Exception):
    """The instance holds organisations that are not the demo's; the message says so."""


def remove() -> None:
    """Delete the demo's instance: its database, its files, its signer's store.

    Where the bundled servers serve it, ``make run`` must be stopped first. Raises
    :class:`NotOnlyTheDemo` and :class:`lexcustis.instance.AlreadyRunning`.
    """
    with only_instance(settings.HOME, f"process {os.getpid()}, removing the demo"):
        if "DATABASE_URL" not in os.environ or is_embedded(settings.DATABASES["default"]):
            remove_data(settings.HOME)
        else:
            _empty_database()
            cache.clear()
        for folder in (settings.MEDIA_ROOT, settings.SIGNER_HOME):
            shutil.rmtree(folder, ignore_errors=True)


def _empty_database() -> None:
    others = Organisation.objects.exclude(slug__in=DEMO_ORGANISATIONS).count()
    if others:
        raise NotOnlyTheDemo(
            f"There are {others} organisations beside the demo's, and records cannot be taken out "
            "of a log: drop the database yourself if it may go."
        )
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DROP SCHEMA public CASCADE")
        cursor.execute("CREATE SCHEMA public")

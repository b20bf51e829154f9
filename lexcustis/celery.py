"""The Celery application: worker and beat."""

import os
import sys
from typing import Any

from celery import Celery
from celery.signals import celeryd_init

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lexcustis.settings")

app = Celery("lexcustis")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@celeryd_init.connect  # type: ignore[untyped-decorator,unused-ignore]
def refuse_weak_database(**_worker: Any) -> None:
    """A worker does not begin on a database that guards the log too little."""
    from django.core.exceptions import ImproperlyConfigured
    from django.db import connection

    from audit.guard import refuse_if_weak

    try:
        refuse_if_weak()
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    finally:
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # its threads do not survive a fork

"""The site: settings, addresses, processes, the API object and its error contract, the demo."""

from lexcustis.celery import app as celery_app

__all__ = ["celery_app"]

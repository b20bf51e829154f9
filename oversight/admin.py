"""The admin of oversight: reviews, incidents, tasks."""

from __future__ import annotations

from oversight import incident_admin, review_admin, task_admin

# Registered by being read; named so that no one takes the imports for leftovers.
__all__ = ["incident_admin", "review_admin", "task_admin"]

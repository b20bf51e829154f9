"""Pause and kill switch while answers stream: calls under way end within seconds.

Each process asks the database every few seconds, and only while it runs calls. The database and
not Redis, since it knows and cannot be away while answers are recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from typing import Protocol
from uuid import UUID

import structlog
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections

from llm import policy
from llm.calls import Call, Refused
from llm.models import ProviderSettings
from orgs.models import Organisation

logger = structlog.get_logger(__name__)

CHECK_SECONDS = 2.0


class Running(Protocol):
    """A call under way that can be ended for a reason."""

    call: Call

    def halt(self, reason: Refused) -> None:
        """End it now."""


_watched: dict[asyncio.AbstractEventLoop, asyncio.TimerHandle] = {}
_checks: set[asyncio.Task[None]] = set()


def watch(running: Callable[[], Collection[Running]]) -> None:
    """Look after the calls of this event loop for as long as there are any."""
    loop = asyncio.get_running_loop()
    if loop not in _watched:
        for closed in [other for other in _watched if other.is_closed()]:
            del _watched[closed]
        _watched[loop] = loop.call_later(CHECK_SECONDS, _look, loop, running)


def _look(loop: asyncio.AbstractEventLoop, running: Callable[[], Collection[Running]]) -> None:
    _watched.pop(loop, None)
    calls = running()
    if calls:
        task = loop.create_task(_check(list(calls)))
        _checks.add(task)
        task.add_done_callback(_checks.discard)
        watch(running)


async def _check(calls: Iterable[Running]) -> None:
    routed = [one for one in calls if one.call.route is not None]
    organisations = {one.call.tenant.organisation_id for one in routed}
    providers = {one.call.route.settings_id for one in routed if one.call.route}
    try:
        paused, off = await sync_to_async(_switched, thread_sensitive=False)(
            organisations, providers - {None}
        )
    except DatabaseError:
        logger.warning("inference.switches_not_read", exc_info=True)
        return
    for one in routed:
        assert one.call.route is not None
        if one.call.tenant.organisation_id in paused:
            one.halt(policy.paused())
        elif one.call.route.settings_id in off:
            one.halt(policy.switched_off(one.call.route.name))


def _switched(
    organisations: Collection[UUID], providers: Collection[UUID | None]
) -> tuple[set[UUID], set[UUID]]:
    """Those of the organisations that are paused, and of the providers that are off or gone."""
    try:
        paused = Organisation.objects.filter(pk__in=organisations, paused_at__isnull=False)
        enabled = ProviderSettings.unscoped.filter(  # of all organisations that run calls here
            pk__in=providers, is_enabled=True
        )
        off = {one for one in providers if one is not None} - set(
            enabled.values_list("pk", flat=True)
        )
        return set(paused.values_list("pk", flat=True)), off
    finally:
        connections.close_all()

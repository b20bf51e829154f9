"""Figures for Prometheus: what runs, what ended how, and whether the ledger keeps up.

Read from the database at each scrape, so every web process gives the same answer and nothing is
lost when one restarts. There is no figure per organisation: who reads metrics is no tenant.
"""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterator
from datetime import timedelta

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db.models import Avg, Count, Max, QuerySet, Sum
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from audit.models import Log, SealState
from dossier.models import Dossier
from llm.models import Inference

WINDOW = timedelta(minutes=5)


class InstanceCollector(Collector):
    """The instance's figures, asked for when they are scraped."""

    def collect(self) -> Iterator[Metric]:
        """Each figure once."""
        version = GaugeMetricFamily("lexcustis_build_info", "The version.", labels=["version"])
        version.add_metric([settings.VERSION], 1)
        yield version
        yield from _inferences()
        yield from _ledger()
        yield from _dossiers()

    def describe(self) -> list[Metric]:
        """Nothing in advance: asking would read the database at registration."""
        return []


def _inferences() -> Iterator[Metric]:
    running = GaugeMetricFamily("lexcustis_inferences_running", "Calls to models under way.")
    running.add_metric([], _recent(state="started").count())
    yield running
    ended = GaugeMetricFamily(
        "lexcustis_inferences_ended_5m",
        "Calls to models that ended in the last five minutes, by provider, region and state.",
        labels=["provider", "region", "state"],
    )
    names = ("provider_name", "data_region", "state")
    window = _recent(ended_at__gte=timezone.now() - WINDOW)
    for row in window.values(*names).annotate(calls=Count("pk")).order_by(*names):
        ended.add_metric([row[name] for name in names], row["calls"])
    yield ended
    waits = window.aggregate(mean=Avg("first_token_ms"), longest=Max("first_token_ms"))
    first_token = GaugeMetricFamily(
        "lexcustis_first_token_seconds_5m",
        "Time to the first token in the last five minutes.",
        labels=["statistic"],
    )
    for statistic, milliseconds in waits.items():
        if milliseconds is not None:
            first_token.add_metric([statistic], float(milliseconds) / 1000)
    yield first_token


def _ledger() -> Iterator[Metric]:
    sealed = GaugeMetricFamily("lexcustis_ledger_sealed_records", "Records with their place.")
    signed = GaugeMetricFamily("lexcustis_ledger_signed_records", "Records under a signed head.")
    totals = Log.unscoped.aggregate(  # one sum over all logs, no log by itself
        sealed=Sum("size"), signed=Sum("signed_size")
    )
    sealed.add_metric([], totals["sealed"] or 0)
    signed.add_metric([], totals["signed"] or 0)
    yield sealed
    yield signed
    looked = GaugeMetricFamily(
        "lexcustis_sealer_last_look_seconds", "How long ago the sealer looked for records."
    )
    state = SealState.objects.order_by("looked_at").first()
    if state is not None:
        looked.add_metric([], (timezone.now() - state.looked_at).total_seconds())
    yield looked


def _dossiers() -> Iterator[Metric]:
    family = GaugeMetricFamily("lexcustis_dossiers", "Dossiers by state.", labels=["state"])
    counts = Dossier.unscoped.values("state").annotate(  # figures of the whole instance, no rows
        rows=Count("pk")
    )
    for row in counts.order_by("state"):
        family.add_metric([row["state"]], row["rows"])
    yield family


def _recent(**conditions: object) -> QuerySet[Inference]:
    found: QuerySet[Inference] = Inference.unscoped.filter(  # figures of the instance, no rows
        **conditions
    )
    return found


REGISTRY = CollectorRegistry()
REGISTRY.register(InstanceCollector())


async def metrics(request: HttpRequest) -> HttpResponse:
    """The figures, for whoever holds ``METRICS_TOKEN``; without a token for this machine alone."""
    if not may_read(request):
        return HttpResponse("Forbidden\n", status=403, content_type="text/plain")
    body = await sync_to_async(generate_latest)(REGISTRY)
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST)


def may_read(request: HttpRequest) -> bool:
    """Whether the caller may read the figures."""
    if settings.METRICS_TOKEN:
        given = request.headers.get("Authorization", "")
        return hmac.compare_digest(given.encode(), f"Bearer {settings.METRICS_TOKEN}".encode())
    # Behind a proxy everybody comes from this machine.
    is_proxied = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    return not is_proxied and _is_loopback(request.META.get("REMOTE_ADDR", ""))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False

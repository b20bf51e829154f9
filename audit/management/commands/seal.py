"""``manage.py seal``: the sealer."""

from __future__ import annotations

import signal
import time
from argparse import ArgumentParser
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connection

from audit.guard import DatabaseRole, refuse_if_weak
from audit.ledger import SEAL_CHANNEL
from audit.sealing import HeadMoved, seal_once
from audit.signer import SignerUnavailable

logger = structlog.get_logger(__name__)

_PAUSE_AFTER_ERROR_SECONDS = 1.0


class Command(BaseCommand):
    """Seal records until told to stop: every period, and at once where a person waits."""

    help = "Seal committed records into their logs' trees and have the heads signed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        parser.add_argument("--once", action="store_true", help="seal what is there, then end")
        parser.add_argument("--shard", type=int, default=0, help="which shard, from 0")
        parser.add_argument("--shards", type=int, default=1, help="how many there are")

    def handle(self, *_args: Any, once: bool, shard: int, shards: int, **_options: Any) -> None:
        """Run. Refuses a database login that may more than sealing needs."""
        try:
            refuse_if_weak(DatabaseRole.SEALER)
        except ImproperlyConfigured as error:
            raise CommandError(str(error)) from error
        if once:
            while (report := seal_once(shard=shard, shards=shards)).more:
                pass
            for problem in report.problems:
                self.stderr.write(problem)
            return
        self._stopping = False
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._stop)
        while not self._stopping:
            try:
                self._run(shard, shards)
            except (Error, psycopg.Error, OSError, SignerUnavailable, HeadMoved) as error:
                logger.error("seal.failed", error=repr(error))
                connection.close()
                time.sleep(_PAUSE_AFTER_ERROR_SECONDS)
        connection.close()

    def _run(self, shard: int, shards: int) -> None:
        connection.ensure_connection()
        parameters = connection.get_connection_params()
        for django_only in ("pool", "cursor_factory", "context"):
            parameters.pop(django_only, None)
        with psycopg.connect(**parameters, autocommit=True) as bell:
            bell.execute(f"LISTEN {SEAL_CHANNEL}")
            while not self._stopping:
                report = seal_once(shard=shard, shards=shards)
                if not report.more:
                    for _notice in bell.notifies(
                        timeout=settings.SEAL_PERIOD_SECONDS, stop_after=1
                    ):
                        pass

    def _stop(self, *_signal: Any) -> None:
        self._stopping = True

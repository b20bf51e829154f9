"""``manage.py signer``: the signer as a process of its own, and its keys."""

from __future__ import annotations

import signal
import sys
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from audit.key_history import announce_keys
from audit.remote_signer import SignerServer
from audit.signer import local_signer


class Command(BaseCommand):
    """Serve the signer on a Unix socket, or look after its keys.

    Serving needs no database. To replace a key: ``--new-key``, publish the vkey, ``--announce``,
    wait until auditors have it, ``--retire-old-keys``, ``--announce``.
    """

    help = "Serve the signer on SIGNER_SOCKET, or make, show and retire keys."
    requires_system_checks: list[str] = []  # type: ignore[assignment,unused-ignore]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the options."""
        what = parser.add_mutually_exclusive_group()
        what.add_argument("--new-key", action="store_true", help="make another signing key")
        what.add_argument(
            "--new-second-key", action="store_true", help="make a key for SIGNER_ML_DSA"
        )
        what.add_argument("--retire-old-keys", action="store_true", help="keep the newest alone")
        what.add_argument("--show-keys", action="store_true", help="print the vkeys")
        what.add_argument("--announce", action="store_true", help="record the keys in every log")
        parser.add_argument("--socket", help="where to serve; by default SIGNER_SOCKET")

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run."""
        local = local_signer()
        if options["new_key"]:
            self.stdout.write(local.new_key())
        elif options["new_second_key"]:
            self.stdout.write(local.new_second_key())
        elif options["retire_old_keys"]:
            for key in local.retire_old_keys():
                self.stdout.write(f"retired {key}")
        elif options["show_keys"]:
            for key in [*local.verification_keys(), *local.second_keys()]:
                self.stdout.write(key)
        elif options["announce"]:
            self.stdout.write(f"{announce_keys()} records")
        else:
            self._serve(options["socket"] or settings.SIGNER_SOCKET)

    def _serve(self, path: str) -> None:
        if not path:
            self.stderr.write("Say where to serve: --socket PATH, or set SIGNER_SOCKET.")
            sys.exit(2)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with SignerServer(Path(path), local_signer()) as server:
            try:
                server.serve_forever(poll_interval=0.2)
            except KeyboardInterrupt:
                pass
            finally:
                Path(path).unlink(missing_ok=True)

"""A real Celery worker, a real broker: rung for after commit, made, published, mailed."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.storage import default_storage

from audit.models import RecordIndex
from dossier.models import Dossier, Kind
from dossier.scheduling import request_dossier
from lexcustis.celery import app as celery_app
from tests.cast import Cast
from tests.dossier.scene import call
from tests.sealing import seal


@pytest.fixture
def worker(database_url: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker process of its own, as production starts it."""
    environment = os.environ | {
        "DATABASE_URL": database_url,
        "REDIS_URL": settings.REDIS_URL,
        "EMAIL_URL": f"filemail:///{tmp_path}/mail",
        "DJANGO_SETTINGS_MODULE": "lexcustis.settings",
    }
    (tmp_path / "mail").mkdir()
    celery_app.control.purge()  # what other tests rang for
    command = [sys.executable, "-m", "celery", "-A", "lexcustis.celery", "worker",
               "--concurrency", "1", "--loglevel", "warning", "--without-gossip",
               "--without-mingle"]  # fmt: skip
    with (tmp_path / "worker.log").open("wb") as log:
        process = subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, cwd=settings.BASE_DIR
        )
        yield process
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_for(dossier: Dossier, state: str, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        dossier.refresh_from_db()
        if dossier.state == state:
            return
        time.sleep(0.2)
    raise AssertionError(f"{dossier.state}: {dossier.stage} {dossier.message}")


def wait_for_mail(folder: Path, seconds: float = 10) -> list[str]:
    deadline = time.monotonic() + seconds
    while not any(folder.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return [path.read_text() for path in folder.iterdir()]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_worker_makes_what_was_asked_for(cast: Cast, worker, tmp_path: Path) -> None:
    call(cast.max, datetime(2026, 10, 10, 12, tzinfo=UTC))
    seal()
    made = request_dossier(
        cast.olivia, kind=Kind.ART10, first=date(2026, 10, 1), last=date(2026, 10, 31)
    )
    seal()
    wait_for(made, "published")
    with default_storage.open(made.file.name) as file:
        archive = zipfile.ZipFile(io.BytesIO(file.read()))
    pdf = next(name for name in archive.namelist() if name.endswith("dossier.pdf"))
    assert archive.read(pdf).startswith(b"%PDF-1.7")
    rows = RecordIndex.objects.for_organisation(cast.organisation.pk)
    assert rows.filter(kind="dossier.published").count() == 1
    assert any(cast.olivia.user.email in text for text in wait_for_mail(tmp_path / "mail"))

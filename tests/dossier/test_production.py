"""Exactly one dossier, whoever asks and whoever dies (promise P6)."""

from __future__ import annotations

import threading
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.utils import timezone

from audit.logs import current_log
from audit.models import RecordIndex
from dossier import bundle as bundles
from dossier import production
from dossier.models import Dossier, Kind
from dossier.production import claim_dossier, render
from dossier.rendering import Printout, RendererUnavailable
from dossier.scheduling import cancel, request_dossier
from tests.audit.test_verification import tamper
from tests.cast import Cast
from tests.dossier.scene import call
from tests.sealing import seal

FIRST, LAST = date(2026, 10, 1), date(2026, 10, 31)


class QuickPaper:
    """A renderer for tests of everything but the paper."""

    def render(self, printout: Printout) -> bytes:
        return b"%PDF-1.7 " + printout.html.encode()


@pytest.fixture
def dossier(cast: Cast) -> Dossier:
    return asked_for(cast)


def asked_for(cast: Cast) -> Dossier:
    """A dossier of a month with one call, all of it sealed; nobody has begun with it."""
    call(cast.max, datetime(2026, 10, 10, 12, tzinfo=UTC))
    made = request_dossier(cast.olivia, kind=Kind.ART53, first=FIRST, last=LAST)
    seal()
    return made


def records(dossier: Dossier, kind: str) -> int:
    rows = RecordIndex.objects.for_organisation(dossier.organisation_id)
    return rows.filter(kind=kind).count()


def test_a_dossier_is_made_published_and_recorded_once(dossier: Dossier) -> None:
    assert render(dossier.pk, QuickPaper())
    dossier.refresh_from_db()
    assert dossier.state == Dossier.State.PUBLISHED
    assert dossier.percent == 100
    assert dossier.file_bytes == default_storage.size(dossier.file.name)
    assert records(dossier, "dossier.published") == 1
    assert not render(dossier.pk, QuickPaper())  # a redelivered task finds nothing to do
    assert records(dossier, "dossier.published") == 1


def test_the_published_record_names_the_very_manifest(dossier: Dossier) -> None:
    from audit.canonical import decode
    from audit.reading import record_bytes

    render(dossier.pk, QuickPaper())
    dossier.refresh_from_db()
    body = decode(record_bytes(dossier.organisation_id, dossier.record_id))["body"]
    assert body["lexcustis.dossier.manifest_sha256"] == dossier.manifest_sha256
    with default_storage.open(dossier.file.name) as file, zipfile.ZipFile(file) as archive:
        name = next(n for n in archive.namelist() if n.endswith("/MANIFEST.json"))
        import hashlib

        assert hashlib.sha256(archive.read(name)).hexdigest() == dossier.manifest_sha256


def test_asking_twice_gives_the_same_dossier(cast: Cast, dossier: Dossier) -> None:
    again = request_dossier(cast.olivia, kind=Kind.ART53, first=FIRST, last=LAST)
    assert again.pk == dossier.pk
    assert Dossier.objects.for_tenant(cast.olivia).count() == 1


def test_two_workers_at_once_make_one(dossier: Dossier) -> None:
    results: list[bool] = []
    barrier = threading.Barrier(2)

    def work() -> None:
        try:
            barrier.wait()
            results.append(render(dossier.pk, QuickPaper()))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, True]
    assert records(dossier, "dossier.published") == 1


class Killed(BaseException):
    """What no handler catches: stands for SIGKILL, after which nothing more runs."""


@pytest.mark.parametrize("stage", ["verifying the log", "setting pages", "packing", "publishing"])
def test_work_that_was_killed_is_taken_up_after_the_lease(dossier, monkeypatch, stage) -> None:
    reporter = production._reporter

    def killing(claim):
        report = reporter(claim)

        def report_or_die(name: str, percent: int) -> None:
            report(name, percent)
            if name == stage:
                raise Killed

        return report_or_die

    monkeypatch.setattr(production, "_reporter", killing)
    with pytest.raises(Killed):
        render(dossier.pk, QuickPaper())
    monkeypatch.setattr(production, "_reporter", reporter)

    dossier.refresh_from_db()
    as_of = dossier.as_of
    assert (dossier.state, dossier.stage) == (Dossier.State.RUNNING, stage)
    assert not render(dossier.pk, QuickPaper())  # the lease still runs
    expire(dossier)
    assert render(dossier.pk, QuickPaper())
    dossier.refresh_from_db()
    assert dossier.attempts == 2
    assert dossier.as_of == as_of  # the second attempt looks at the same moment
    assert records(dossier, "dossier.published") == 1


def expire(dossier: Dossier) -> None:
    Dossier.unscoped.filter(pk=dossier.pk).update(
        lease_expires_at=timezone.now() - timedelta(seconds=1)
    )


def test_a_worker_given_up_for_dead_cannot_publish(dossier: Dossier, tmp_path: Path) -> None:
    slow = claim_dossier(dossier.pk)
    assert slow is not None
    expire(dossier)
    assert render(dossier.pk, QuickPaper())
    dossier.refresh_from_db()
    name, digest = dossier.file.name, dossier.file_sha256

    slow.dossier.checkpoint_size = dossier.checkpoint_size
    stale = bundles.build(slow.dossier, tmp_path, QuickPaper(), lambda stage, percent: None)
    with pytest.raises(production.LeaseLost):
        production._publish(slow, stale)
    dossier.refresh_from_db()
    assert (dossier.file.name, dossier.file_sha256) == (name, digest)
    assert records(dossier, "dossier.published") == 1
    folder = f"dossiers/{dossier.organisation_id}/{dossier.pk}"
    assert not default_storage.exists(f"{folder}/1/{stale.path.name}")


def test_what_a_killed_attempt_had_stored_is_removed(dossier: Dossier) -> None:
    from django.core.files.base import ContentFile

    folder = f"dossiers/{dossier.organisation_id}/{dossier.pk}"
    claim_dossier(dossier.pk)
    left = default_storage.save(f"{folder}/1/half.zip", ContentFile(b"x"))
    expire(dossier)
    assert render(dossier.pk, QuickPaper())
    assert not default_storage.exists(left)


def test_files_that_killed_workers_left_beside_the_published_one_are_cleared(
    cast: Cast, dossier: Dossier
) -> None:
    """P6: who is killed after publishing tidies nothing, nor who came back and was killed again."""
    from django.core.files.base import ContentFile

    def store(row: Dossier, fence: int) -> str:
        folder = f"dossiers/{row.organisation_id}/{row.pk}/{fence}"
        return default_storage.save(f"{folder}/left.zip", ContentFile(b"x"))

    claim_dossier(dossier.pk)
    expire(dossier)
    assert render(dossier.pk, QuickPaper())
    dossier.refresh_from_db()
    left = [store(dossier, fence) for fence in (1, 2)]
    other = request_dossier(cast.olivia, kind=Kind.ART10, first=FIRST, last=LAST)
    claim_dossier(other.pk)
    at_work = store(other, 1)
    production.clear_leftovers()
    assert not any(default_storage.exists(name) for name in left)
    assert default_storage.exists(dossier.file.name)
    assert default_storage.exists(at_work), "somebody may be about to publish it"
    assert cancel(cast.olivia, other)
    production.clear_leftovers()
    assert not default_storage.exists(at_work)


def test_a_cancelled_dossier_stops_at_the_next_step(cast: Cast, dossier: Dossier) -> None:
    class Cancelling(QuickPaper):
        def render(self, printout: Printout) -> bytes:
            assert cancel(cast.olivia, dossier)
            return super().render(printout)

    assert not render(dossier.pk, Cancelling())
    dossier.refresh_from_db()
    assert dossier.state == Dossier.State.CANCELLED
    assert records(dossier, "dossier.published") == 0
    request_dossier(cast.olivia, kind=Kind.ART53, first=FIRST, last=LAST)
    assert render(dossier.pk, QuickPaper())


def test_missing_libraries_end_the_work_with_the_line_to_type(dossier: Dossier) -> None:
    class Missing:
        def render(self, printout: Printout) -> bytes:
            raise RendererUnavailable("Install them: apt-get install -y libpango-1.0-0")

    assert not render(dossier.pk, Missing())
    dossier.refresh_from_db()
    assert dossier.state == Dossier.State.FAILED
    assert "apt-get install" in dossier.message
    assert not dossier.file
    assert records(dossier, "dossier.failed") == 1


def test_a_tree_with_holes_ends_the_work_with_what_to_do(cast: Cast, dossier: Dossier) -> None:
    call(cast.max, datetime(2026, 11, 10, 12, tzinfo=UTC))
    seal()
    log = current_log(cast.organisation.pk)
    tamper(
        (
            (
                "DELETE FROM audit_position AS row WHERE log_number = %s AND first ="
                " (SELECT max(first) FROM audit_position WHERE log_number = row.log_number)"
            ),
            [log.number],
        )
    )
    assert not render(dossier.pk, QuickPaper())
    dossier.refresh_from_db()
    assert (dossier.state, dossier.attempts) == (Dossier.State.FAILED, 1)
    assert "from a backup" in dossier.message


def test_trouble_is_tried_again_and_then_given_up(dossier: Dossier) -> None:
    class Broken:
        def render(self, printout: Printout) -> bytes:
            raise OSError("No space left on device")

    for attempt in range(1, production.MOST_ATTEMPTS + 1):
        assert not render(dossier.pk, Broken())
        dossier.refresh_from_db()
        assert dossier.attempts == attempt
        if attempt < production.MOST_ATTEMPTS:
            assert dossier.state == Dossier.State.WAITING
            expire(dossier)
    assert dossier.state == Dossier.State.FAILED
    assert "No space left" in dossier.message


def test_who_asked_gets_a_link_and_never_the_file(cast: Cast, dossier: Dossier, mailoutbox) -> None:
    render(dossier.pk, QuickPaper())
    (message,) = mailoutbox
    assert message.to == [cast.olivia.user.email]
    assert not message.attachments
    assert f"/admin/dossier/dossier/{dossier.pk}/change/" in message.body


def test_someone_who_has_left_gets_no_mail(cast: Cast, dossier: Dossier, mailoutbox) -> None:
    from orgs.models import Membership

    Membership.objects.for_tenant(cast.olivia).filter(user=cast.olivia.user).delete()
    render(dossier.pk, QuickPaper())
    assert mailoutbox == []


def test_progress_is_seen_while_it_is_made(dossier: Dossier) -> None:
    seen: list[tuple[str, int]] = []

    class Watching(QuickPaper):
        def render(self, printout: Printout) -> bytes:
            row = Dossier.unscoped.get(pk=dossier.pk)
            seen.append((row.stage, row.percent))
            return super().render(printout)

    render(dossier.pk, Watching())
    assert seen == [("setting pages", 60)]

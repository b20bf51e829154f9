"""A slice of a fixed state of the log has the same bytes, however the log grows (promise P6)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from audit.ledger import commit_blocking
from audit.slices import Limit, export_period
from audit.state import ledger_state
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.sealing import seal


def written(folder: Path) -> dict[str, bytes]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def grow(cast: Cast, records: int) -> None:
    for _ in range(records):
        commit_blocking(a_draft(cast))
    seal()


def test_the_same_state_gives_the_same_bytes_after_the_log_has_grown(
    cast: Cast, tmp_path: Path
) -> None:
    grow(cast, 5)
    start, end = timezone.now() - timedelta(days=1), timezone.now() + timedelta(days=1)
    limit = Limit(ledger_state(cast.organisation.pk).size, timezone.now())
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
        report = export_period(cast.organisation.pk, start, end, folder, limit=limit)
        assert report.end == limit.size
        grow(cast, 4)
    assert report.unsealed_in_period == 4
    first, second = map(written, folders)
    assert first == second
    assert len(first) >= 4

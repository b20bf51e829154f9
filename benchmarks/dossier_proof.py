"""What the campaign of dossiers finds at the end: rows, records, files and their contents."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from benchmarks.ledger_instance import tell

Due = tuple[str, str, date, date]
_BUNDLES_FOR_THE_VERIFIER = 10


def check(due: set[Due], calls: Sequence[datetime]) -> None:
    """Compare with what was *due*. Prints the figures; raises where one is missed."""
    from audit.verification import verify_log
    from dossier import production
    from dossier.models import Dossier
    from orgs.models import Organisation

    _seal_all()
    swept = production.clear_leftovers(timedelta(days=36_500))  # the simulated years are long over
    rows = list(Dossier.unscoped.select_related("organisation").order_by("created_at"))
    found = Counter(
        (row.organisation.slug, row.kind, row.period_start, row.period_end) for row in rows
    )
    twice = [f"{name}: {count} rows" for name, count in found.items() if count > 1]
    undue = [f"{name}: not due" for name in found.keys() - due]
    missing = [f"{name}: missing" for name in due - found.keys()]
    asked, published = _records("dossier.requested"), _records("dossier.published")
    known = {str(row.pk) for row in rows}
    strangers = [f"record of {name}" for name in (asked | published).keys() - known]
    wrong = [
        f"{row.organisation.slug} {row}: {problem}"
        for row in rows
        for problem in _problems(row, asked[str(row.pk)], published[str(row.pk)], calls)
    ]
    unverified = [
        f"{organisation.slug}: {problem}"
        for organisation in Organisation.objects.all()
        for problem in verify_log(organisation.pk).problems
    ]
    refused = [] if wrong else _refused_by_the_verifier(rows)
    bad = [*twice, *undue, *missing, *strangers, *wrong]
    tell(
        "dossiers written twice or not at all",
        len(bad),
        "dossiers",
        goal="<= 0",
        reference=f"{len(due)} due, {len(rows)} rows, {sum(published.values())} records of "
        f"publication, one file each; {sum(row.attempts for row in rows)} attempts; "
        f"{swept} files of killed workers swept up",
    )
    tell(
        "their logs and bundles that do not verify",
        len(unverified) + len(refused),
        "problems",
        goal="<= 0",
        reference=f"every log, {min(len(rows), _BUNDLES_FOR_THE_VERIFIER)} bundles by verifier.py",
    )
    for problem in [*bad, *unverified, *refused][:20]:
        print(problem, file=sys.stderr)
    if bad or unverified or refused or not rows:
        raise RuntimeError("A dossier broke a promise.")


def _seal_all() -> None:
    from django.conf import settings

    from audit.sealing import seal_once

    settings.SEAL_PERIOD_SECONDS = 0.0
    while True:
        report = seal_once()
        if not report.more and not report.sealed:
            return


def _records(kind: str) -> Counter[str]:
    """How many records of *kind* each dossier has, read from the records' own bytes."""
    from audit.canonical import decode
    from audit.models import RecordIndex
    from audit.reading import record_bytes

    rows = RecordIndex.unscoped.filter(kind=kind)  # of every organisation
    return Counter(
        decode(record_bytes(organisation, record))["body"]["lexcustis.dossier.id"]
        for organisation, record in rows.values_list("organisation_id", "record_id")
    )


def _problems(row: Any, asked: int, published: int, calls: Sequence[datetime]) -> Iterable[str]:
    from django.core.files.storage import default_storage

    if row.state != "published":
        yield f"is {row.state}: {row.message}"
        return
    if (asked, published) != (1, 1):
        yield f"{asked} records of asking, {published} of publishing"
    if not default_storage.exists(row.file.name):
        yield "the file that it names is gone"
        return
    folder = f"dossiers/{row.organisation_id}/{row.pk}"
    stored = [
        f"{folder}/{fence}/{name}"
        for fence in default_storage.listdir(folder)[0]
        for name in default_storage.listdir(f"{folder}/{fence}")[1]
    ]
    if stored != [row.file.name]:
        yield f"files {stored}, named {row.file.name}"
    with default_storage.open(row.file.name) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != row.file_sha256:
            yield "the file is not the one that was recorded"
    with default_storage.open(row.file.name) as file, zipfile.ZipFile(file) as archive:
        yield from _problems_inside(row, archive, calls)


def _problems_inside(
    row: Any, archive: zipfile.ZipFile, calls: Sequence[datetime]
) -> Iterable[str]:
    prefix = archive.namelist()[0].split("/")[0]
    data = archive.read(f"{prefix}/MANIFEST.json")
    if hashlib.sha256(data).hexdigest() != row.manifest_sha256:
        yield "the manifest is not the one that was recorded"
    for member in json.loads(data)["files"]:
        content = archive.read(f"{prefix}/{member['path']}")
        if hashlib.sha256(content).hexdigest() != member["sha256"]:
            yield f"{member['path']} is not what the manifest says"
    if not row.organisation.slug.startswith("campaign-"):
        return
    metrics = json.loads(archive.read(f"{prefix}/metrics.json"))
    counted = sum(
        block["fields"]["calls"]["value"]
        for block in metrics["section"]["blocks"]
        if block["key"] != "comparison" and "calls" in block["fields"]
    )
    zone = ZoneInfo(row.time_zone)
    inside = sum(
        row.period_start <= at.astimezone(zone).date() <= row.period_end and at < row.as_of
        for at in calls
    )
    if counted != inside:
        yield f"{counted} calls counted, {inside} made on its days up to {row.as_of}"


def _refused_by_the_verifier(rows: Sequence[Any]) -> list[str]:
    """What ``verifier.py`` says against bundles, evenly chosen, as an outsider runs it."""
    from django.core.files.storage import default_storage

    from audit.checkpoints import verification_key
    from audit.slices import VERIFIER

    key, problems = verification_key(), []
    for row in rows[:: max(1, len(rows) // _BUNDLES_FOR_THE_VERIFIER)][:_BUNDLES_FOR_THE_VERIFIER]:
        with tempfile.TemporaryDirectory() as folder, default_storage.open(row.file.name) as file:
            path = Path(folder) / Path(row.file.name).name
            path.write_bytes(file.read())
            done = subprocess.run(
                [sys.executable, str(VERIFIER), str(path), "--key", key],
                capture_output=True, text=True, check=False,
            )  # fmt: skip
        if done.returncode:
            problems.append(f"{row.organisation.slug} {row}: {done.stdout[-500:]}{done.stderr}")
    return problems

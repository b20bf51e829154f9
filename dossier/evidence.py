"""The period's records themselves, written into the bundle and counted once more from their bytes.

What sections say is counted in the database's indexes; what is counted here comes from the very
lines that an outsider gets. Where the two differ, the dossier says so.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from audit.records import write_time
from audit.slices import RECORDS_FILE, Limit, SliceReport, export_period
from dossier.models import Dossier

_SERVED = "lexcustis.data_region.served"
_SERVED_BYTES = _SERVED.encode()


@dataclass(frozen=True, slots=True)
class Slice:
    """What the bundle's records hold: positions ``first`` to ``end`` - 1 of the log.

    ``served`` counts, for each provider, the places that its answers named.
    """

    first: int
    end: int
    records: int
    in_period: int
    kinds: Mapping[str, int]
    unsealed: int
    served: Mapping[str, Mapping[str, int]]


def write_slice(dossier: Dossier, folder: Path) -> Slice:
    """Write the records of the dossier's period and their proofs into *folder*."""
    if dossier.as_of is None or dossier.checkpoint_size is None:
        raise ValueError("Moment and tree of the statement are fixed when the work begins.")
    opens, closes = dossier.period.opens, min(dossier.period.closes, dossier.as_of)
    report = export_period(
        dossier.organisation_id,
        opens,
        closes,
        folder,
        limit=Limit(dossier.checkpoint_size, dossier.as_of),
    )
    return _slice(report, _served(folder / RECORDS_FILE, opens, closes))


def _slice(report: SliceReport, served: Mapping[str, Mapping[str, int]]) -> Slice:
    return Slice(
        first=report.first,
        end=report.end,
        records=report.records,
        in_period=report.records_in_period,
        kinds=report.kinds,
        unsealed=report.unsealed_in_period,
        served=served,
    )


def _served(path: Path, opens: datetime, closes: datetime) -> dict[str, dict[str, int]]:
    """Places named in answers, by provider; lines that name none are not even parsed."""
    since, until = write_time(opens), write_time(closes)
    places: dict[str, Counter[str]] = defaultdict(Counter)
    with path.open("rb") as lines:
        for line in lines:
            if _SERVED_BYTES not in line:
                continue
            record: dict[str, Any] = json.loads(line)
            if since <= record["at"] < until:
                body = record["body"]
                places[body["gen_ai.provider.name"]][body[_SERVED]] += 1
    return {provider: dict(sorted(found.items())) for provider, found in sorted(places.items())}

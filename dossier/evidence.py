"""The period's records themselves, written into the bundle and counted once more from their bytes.

What sections say is counted in the database's indexes; what is counted here comes from the very
lines that an outsider gets. Where the two differ, the dossier says so.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from audit.record_stream import Piece
from audit.records import write_time
from audit.slices import Limit, OpenRecords, export_period, times_of
from dossier.models import Dossier

_PROVIDER, _SERVED = "gen_ai.provider.name", "lexcustis.data_region.served"
_PROVIDER_KEY, _SERVED_KEY = f'"{_PROVIDER}":"'.encode(), f'"{_SERVED}":"'.encode()
_SERVED_NAME = _SERVED.encode()  # found faster than the key, whose quotes are everywhere


@dataclass(frozen=True, slots=True)
class Slice:
    """What the bundle's records hold: positions ``first`` to ``end`` - 1 of the log.

    Of the period's records ``unsealed`` had no place yet, and ``gone`` are not there any more.
    ``served`` counts, for each provider, the places that its answers named.
    """

    first: int
    end: int
    records: int
    in_period: int
    kinds: Mapping[str, int]
    unsealed: int
    gone: int
    served: Mapping[str, Mapping[str, int]]


def write_slice(
    dossier: Dossier,
    folder: Path,
    records: OpenRecords | None = None,
    witness: Callable[[Piece], None] | None = None,
) -> Slice:
    """Write the records of the dossier's period and their proofs into *folder*.

    *records* opens another place for the records, see :func:`audit.slices.export_period`;
    *witness* is shown every piece of the log that is written.
    """
    if dossier.as_of is None or dossier.checkpoint_size is None:
        raise ValueError("Moment and tree of the statement are fixed when the work begins.")
    opens, closes = dossier.period.opens, dossier.period.until(dossier.as_of)
    places = _Places(opens, closes)

    def see(piece: Piece) -> None:
        places.count(piece)
        if witness is not None:
            witness(piece)

    report = export_period(
        dossier.organisation_id,
        opens,
        closes,
        folder,
        limit=Limit(dossier.checkpoint_size, dossier.as_of),
        records=records,
        witness=see,
    )
    return Slice(
        first=report.first,
        end=report.end,
        records=report.records,
        in_period=report.records_in_period,
        kinds=report.kinds,
        unsealed=report.unsealed_in_period,
        gone=report.gone_in_period,
        served=places.served,
    )


class _Places:
    """Counts the places that answers named, by provider; other records are not even looked at."""

    def __init__(self, opens: datetime, closes: datetime) -> None:
        self._since, self._until = write_time(opens).encode(), write_time(closes).encode()
        self._counts: Counter[tuple[bytes, bytes]] = Counter()

    def count(self, piece: Piece) -> None:
        """Count one piece of the log."""
        lines, end = piece.lines, 0
        while (name := lines.find(_SERVED_NAME, end)) >= 0:
            start, end = lines.rfind(b"\n", 0, name) + 1, lines.find(b"\n", name)
            if self._since <= times_of([lines[start:end]])[0] < self._until:
                try:
                    self._counts[_provider_and_place(lines, start, end)] += 1
                except (ValueError, KeyError, TypeError):
                    continue  # no record any more: whoever checks the tree names it

    @property
    def served(self) -> dict[str, dict[str, int]]:
        """The counts so far."""
        found: dict[str, dict[str, int]] = {}
        for (provider, place), count in sorted(self._counts.items()):
            found.setdefault(provider.decode(), {})[place.decode()] = count
        return found


def _provider_and_place(lines: bytes, start: int, end: int) -> tuple[bytes, bytes]:
    """Those of the record from *start* to *end*: cut out where that cannot go wrong, else parsed.

    Raises ValueError, KeyError or TypeError where it is no record, or names none.
    """
    provider, place = lines.find(_PROVIDER_KEY, start, end), lines.find(_SERVED_KEY, start, end)
    if provider >= 0 and place >= 0:
        first, second = provider + len(_PROVIDER_KEY), place + len(_SERVED_KEY)
        found = lines[first : lines.find(b'"', first)], lines[second : lines.find(b'"', second)]
        # Keys may be those of an object within, quotes may be escaped.
        is_once = lines.find(_PROVIDER_KEY, first, end) < 0 > lines.find(_SERVED_KEY, second, end)
        if is_once and b"\\" not in found[0] and b"\\" not in found[1]:
            return found
    body: dict[str, Any] = json.loads(lines[start:end])["body"]
    return str(body[_PROVIDER]).encode(), str(body[_SERVED]).encode()

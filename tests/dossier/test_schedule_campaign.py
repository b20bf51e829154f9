"""P6: each period of every schedule gives one dossier, whatever is killed, full, late or lost.

A small run of ``benchmarks/dossier_campaign.py``, which says what goes wrong in it. ``SCALE=full``
runs all of it.
"""

from __future__ import annotations

import pytest

from tests.campaigns.running import figures_of


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_dossier_is_written_twice_or_not_at_all() -> None:
    found = figures_of("dossier_campaign", LEXCUSTIS_SIMULATED_SCHEDULES="12")
    figures = {line["figure"]: line for line in found}
    assert figures["schedules simulated"]["met"]
    assert figures["processes killed over them"]["met"]
    assert figures["dossiers written twice or not at all"]["value"] == 0
    assert figures["their logs and bundles that do not verify"]["value"] == 0

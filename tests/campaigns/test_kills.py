"""P2: an acknowledged record is never lost, whatever is killed, and the log still verifies."""

from __future__ import annotations

import pytest

from tests.campaigns.running import figures_of


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_acknowledged_record_is_lost_by_kill_9() -> None:
    figures = {line["figure"]: line for line in figures_of("kill_campaign")}
    assert figures["kills survived"]["met"]
    assert figures["acknowledged records lost"]["value"] == 0
    assert figures["logs that do not verify after the kills"]["value"] == 0

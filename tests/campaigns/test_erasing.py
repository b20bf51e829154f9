"""P5: erased content cannot be read again, and roots, proofs and slices stay what they were."""

from __future__ import annotations

import pytest

from tests.campaigns.running import figures_of


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_erasing_thirty_per_cent_changes_no_proof() -> None:
    figures = figures_of("erasure_campaign")
    assert len(figures) == 5
    assert all(figure["met"] for figure in figures), figures

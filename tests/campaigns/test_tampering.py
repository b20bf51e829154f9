"""P2: whatever is changed in a bundle or in the database is found, and nobody honest is accused."""

from __future__ import annotations

import pytest

from tests.campaigns.running import figures_of


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_forgery_is_found() -> None:
    figures = figures_of("tampering_campaign")
    assert len(figures) == 4
    assert all(figure["met"] for figure in figures), figures

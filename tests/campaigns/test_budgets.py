"""Budgets keep exact account of many calls at once, and no calls together pass a limit."""

from __future__ import annotations

import pytest

from tests.campaigns.running import figures_of


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_no_counter_drifts_and_no_limit_is_passed() -> None:
    figures = figures_of("budget_campaign")
    assert len(figures) == 7
    assert all(figure["met"] for figure in figures), figures

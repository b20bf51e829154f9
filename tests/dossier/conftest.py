"""What holds for every test of dossiers."""

from __future__ import annotations

import pytest

from dossier import scheduling


@pytest.fixture(autouse=True)
def room_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick rings for the oldest rows first; those of other tests must not take up its places."""
    monkeypatch.setattr(scheduling, "_RINGS_PER_TICK", 1_000_000)

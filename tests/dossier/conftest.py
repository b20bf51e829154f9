"""What holds for every test of dossiers, and what several of the seal need."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from dossier import scheduling
from dossier.rendering import Printout, WeasyPrintRenderer
from tests.dossier.seals import SealAuthority, authority

_HTML = (
    "<!doctype html><html lang=en><meta charset=utf-8><title>Paper</title>"
    "<meta name=dcterms.created content='2026-11-01T00:00:00Z'><body><h1>Paper</h1><p>Text.</p>"
)


@pytest.fixture(autouse=True)
def room_for_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tick rings for the oldest rows first; those of other tests must not take up its places."""
    monkeypatch.setattr(scheduling, "_RINGS_PER_TICK", 1_000_000)


@pytest.fixture(scope="module")
def paper() -> bytes:
    """A PDF of one page, as the renderer makes it."""
    dated = datetime(2026, 11, 1, tzinfo=UTC)
    return WeasyPrintRenderer().render(Printout(_HTML, {}, (), dated, b"0" * 16))


@pytest.fixture(scope="module")
def outsider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SealAuthority]:
    """An authority for certificates and time stamps."""
    with authority(tmp_path_factory.mktemp("outsider") / "authority") as made:
        yield made

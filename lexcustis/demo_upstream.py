"""What the demo's officer has of the makers of models: documents, requests, statements.

The model that was called and its maker do not exist, and nothing was asked of anybody; that is said
wherever it could be mistaken.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from dossier.declarations import declare
from dossier.upstream_documents import add_document
from dossier.upstream_models import UpstreamDocument
from dossier.upstream_requests import SUMMARY, ask
from lexcustis.demo_history import clock_at
from orgs.tenancy import Tenant

MODEL = "fictional-8b"
_MAKER = "Fictional Models GmbH (invented for this demo)"
_PLACE = "https://models.example/fictional-8b"
_SUMMARY_TEXT = f"""Public summary of training content (invented for this demo)
Model: {MODEL}. Provider: {_MAKER}.
1. General: text, 8 billion parameters, knowledge up to March 2026.
2. Data sources: publicly available data sets 61 %, data licensed from publishers 24 %, data crawled
   by the provider 12 %, synthetic data 3 %. Largest crawled domains: none, the model is invented.
3. Processing: reservations of rights by robots.txt are observed; illegal content is filtered.
"""
_CARD_TEXT = f"""Model documentation (invented for this demo)
Model: {MODEL}. Provider: {_MAKER}. Version 1.0, released on 2 March 2026.
Intended tasks: drafting and summarising texts in European languages.
Acceptable use: no decisions on people. Licence: Apache 2.0.
Input and output: text, at most 32,000 tokens together.
"""
_ANSWERED_BY_THE_CARD = ("1a", "1b", "1c", "1g", "1h", "2b")
_NOT_SENT = "Invented for this demo: nothing was sent to anybody."


def file_upstream(officer: Tenant, now: datetime) -> None:
    """Documents of one model, and two requests: one in time, one without an answer for a month."""
    with clock_at(now - timedelta(days=60)):
        _add(officer, now, SUMMARY, "Public summary of training content", _SUMMARY_TEXT)
        _add(
            officer,
            now,
            UpstreamDocument.Kind.MODEL_DOCUMENTATION,
            "Model documentation",
            _CARD_TEXT,
            answers=_ANSWERED_BY_THE_CARD,
        )
        declare(
            officer,
            key="annex_xii.2a",
            subject=MODEL,
            value="Installation guide of version 1.0, chapters 2 and 3 (invented for this demo).",
        )
    for model, days_ago, items in (
        ("mistral-large-latest", 30, ("1f", "2c")),
        ("mistral-small-latest", 5, ("1a", "1b", "2c", SUMMARY)),
    ):
        with clock_at(now - timedelta(days=days_ago)):
            ask(
                officer,
                model=model,
                addressee="Mistral AI (demo: not really asked)",
                channel="no channel: invented for this demo",
                asked_on=(now - timedelta(days=days_ago)).date(),
                items=items,
                text=_NOT_SENT,
            )


def _add(
    officer: Tenant,
    now: datetime,
    kind: str,
    title: str,
    text: str,
    *,
    answers: tuple[str, ...] = (),
) -> None:
    add_document(
        officer,
        model=MODEL,
        kind=kind,
        title=title,
        publisher=_MAKER,
        version="1.0",
        url=f"{_PLACE}/{kind}.txt",
        retrieved_on=(now - timedelta(days=60)).date(),
        file_name=f"{kind}.txt",
        data=text.encode(),
        answers=answers,
    )

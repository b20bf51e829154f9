"""Section 4: which duties exist, for whom, from when. Nothing here says that one is met."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from dossier.document import Block, Row, Section
from dossier.lawbook import Fact, joined
from dossier.leaves import Leaf, Origin, unknown
from dossier.material import Material
from dossier.phrases import Phrase, phrase

# The letters of the register: D deployer, P provider of a system, G and GS providers of models.
ACTORS = {
    "deployer": {"D"},
    "provider of the AI system": {"P"},
    "provider of the AI system, downstream of a general-purpose model": {"P"},
    "provider of a general-purpose AI model": {"G", "GS"},
    "importer": set[str](),
    "distributor": set[str](),
}

APPLIES, LATER, DISPUTED = phrase("applies"), phrase("later"), phrase("disputed")


def matrix(material: Material) -> Section:
    """Section 4: every obligation on file, read against the declared role and the date."""
    rows = tuple(
        Row(fact.key.lower().replace("-", "_"), _label(fact.row), _status(material, fact))
        for fact in material.law.facts("obligations")
    )
    return Section(
        "4",
        "obligations",
        "Obligation matrix",
        "AI Act Art. 113 and Art. 111 as amended: what applies, later, to others, or is disputed.",
        (
            (
                "Read against the roles declared in section 1. That a duty applies says nothing "
                "about whether it is met. The rules for high-risk systems apply from 2 December "
                "2027 (Annex III) and 2 August 2028 (Annex I)."
            ),
        ),
        (Block("matrix", "Obligations", rows, layout="checklist"),),
    )


def _label(row: Mapping[str, Any]) -> str:
    article, duty = str(row["art"]), phrase(row["duty"])
    if row["para"] not in ("-", "all"):
        article = f"{article}, {row['para']}"
    if article.startswith("GDPR "):
        article = article.removeprefix("GDPR ")
        return phrase("GDPR %(article)s: %(duty)s", article=article, duty=duty)
    return phrase("AI Act %(article)s: %(duty)s", article=article, duty=duty)


def _status(material: Material, fact: Fact) -> Leaf:
    row, remark = fact.row, fact.remark(material.as_of)
    law = (f"{row['art']} {row['para']}",)
    if not fact.is_printable:
        reason = (
            "the text was not opened again for this version of the software; see the regulation"
        )
        return unknown(
            joined(reason, remark) or reason,
            as_of=material.as_of,
            origin=Origin.COMPUTED,
            law=law,
        )
    status, why = _reading(row, material, material.as_of.date())
    return material.counted(
        status,
        "obligation-status",
        over=f"register of obligations, row checked on {fact.checked_on}, declared roles",
        reason=joined(why, remark),
        law=law,
    )


def _reading(row: Mapping[str, Any], material: Material, day: date) -> tuple[str, str | None]:
    """The status, and why. A duty applies where it is addressed to one declared role at least."""
    letters = set[str]().union(*(ACTORS[role] for role in material.roles))
    if row["now"] == "upstream" and not letters & set(row["actor"]):
        return "addressed to others", "the provider of the general-purpose AI model"
    if not letters & set(row["actor"]):
        if material.without_role:
            return "depends on section 1", "the role is not determined"
        return "addressed to others", "not to the declared role"
    if row["now"] == "disputed":
        return DISPUTED, "formally applicable; it presupposes rules that apply later"
    return _by_date(row, day)


def _by_date(row: Mapping[str, Any], day: date) -> tuple[str, str | None]:
    starts = [date.fromisoformat(text) for text in str(row["from"]).split("|")]
    if day < starts[0]:
        return LATER, _from(starts, high_risk_only=row["high_risk_only"])
    if row["high_risk_only"]:
        return "depends on section 3", "for high-risk systems only"
    legacy = date.fromisoformat(row["legacy_from"]) if "legacy_from" in row else None
    if legacy is not None and day < legacy:
        return APPLIES, phrase(
            "what was there before %(first)s has until %(legacy)s", first=starts[0], legacy=legacy
        )
    return APPLIES, None


def _from(starts: list[date], *, high_risk_only: bool) -> Phrase:
    """From when; where the annexes differ, the two dates."""
    first, last = starts[0], starts[-1]
    if len(starts) == 1 and high_risk_only:
        return phrase("from %(first)s, for high-risk systems only", first=first)
    if len(starts) == 1:
        return phrase("from %(first)s", first=first)
    if high_risk_only:
        return phrase(
            "from %(first)s and %(last)s, for high-risk systems only", first=first, last=last
        )
    return phrase("from %(first)s and %(last)s", first=first, last=last)

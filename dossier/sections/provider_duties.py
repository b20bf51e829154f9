"""Sections 18, 19, 21 and 22: duties of providers, registration, changes, Annex IV."""

from __future__ import annotations

from collections.abc import Iterator

from dossier.catalogue import CATALOGUE
from dossier.collect import MOST_CHANGES, versions_of
from dossier.document import Block, Row, Section
from dossier.leaves import Leaf, not_applicable
from dossier.material import Material
from dossier.phrases import phrase
from dossier.sections.annex_iv import POINTS, provided
from dossier.sections.opening import role_notice
from dossier.sections.people import unanswered_role
from dossier.sections.systems import declared_rows, per_system
from dossier.systems import SystemInPeriod

_FILE_BESIDE = "What is known of each point stands in annex_iv.pdf, in the same bundle."


def _of_provider(
    material: Material, system: SystemInPeriod, key: str, law: tuple[str, ...]
) -> Leaf:
    """A declaration where there is one; else what the declared role makes of the question."""
    declared = material.declarations.leaf(key, system.id)
    if declared.value is not None:
        return declared
    role = material.role_of(system)
    if role is None:
        return unanswered_role(material, law)
    return _by_role(material, system, law) if role == "deployer" else declared


def _by_role(material: Material, system: SystemInPeriod, law: tuple[str, ...]) -> Leaf:
    row = material.declarations.find("role.role", system.id)
    who = phrase("nobody")
    if row:
        who = phrase(
            "%(name)s (%(role)s), by the declared role",
            name=row.declared_name,
            role=phrase(row.declared_role),
        )
    return not_applicable(
        rule=law[0],
        reason="addressed to the provider of a high-risk AI system; the declared role is deployer",
        decided_by=who,
        as_of=material.as_of,
        law=law,
    )


def monitoring(material: Material) -> Section:
    """Section 18: risk management, quality management, monitoring."""

    def rows(system: SystemInPeriod) -> tuple[Row, ...]:
        return tuple(
            Row(name, CATALOGUE[key].label, _of_provider(material, system, key, law))
            for name, key, law in (
                ("risk_management", "monitoring.risk_management", ("AI Act 9",)),
                ("quality", "monitoring.quality", ("AI Act 17",)),
                ("monitoring", "monitoring.documents", ("AI Act 72",)),
            )
        )

    return Section(
        "18",
        "monitoring",
        "Monitoring after placing on the market, quality, risk management",
        "AI Act Arts 9, 17, 72 (addressee: the provider of a high-risk system; later).",
        role_notice(material),
        per_system(material, "documents", "Documents", rows),
    )


def registration(material: Material) -> Section:
    """Section 19: the EU database."""
    return Section(
        "19",
        "registration",
        "Registration",
        "AI Act Arts 49 and 71, Annex VIII: high-risk systems of providers and of public "
        "deployers. The date from which it bites in practice is disputed.",
        role_notice(material),
        per_system(
            material,
            "entry",
            "EU database",
            lambda it: declared_rows(material, it, ("entry", "Entry", "registration.entry")),
        ),
    )


def changes(material: Material) -> Section:
    """Section 21: what was changed, and versions of models that changed silently."""
    data = material.collected
    total = data.changes_recorded
    rows = [
        Row(
            f"change_{number}",
            kind,
            material.recorded(f"{at:%Y-%m-%d %H:%M:%S} UTC", {"type": "record", "id": record_id}),
        )
        for number, (at, kind, record_id) in enumerate(data.changes, start=1)
    ]
    more = (
        phrase("the first %(number)s are listed", number=MOST_CHANGES)
        if total > len(rows)
        else None
    )
    rows.insert(
        0, Row("total", "Recorded changes", material.counted(total, "count-records", reason=more))
    )
    blocks = [Block("settings", "Settings and policy", tuple(rows))]
    if data.models:
        versions = tuple(_versions(material))
        blocks.append(Block("versions", "Versions of models that answered", versions))
    return Section(
        "21",
        "changes",
        "Change history",
        "AI Act Annex IV point 6, Art. 3(23), Art. 26(1).",
        (),
        tuple(blocks),
    )


def _versions(material: Material) -> Iterator[Row]:
    """The versions that answered under each model's name: a call that was blocked asked none."""
    for number, ((provider, model), uses) in enumerate(material.collected.models.items(), start=1):
        answered = versions_of(uses)
        yield Row(
            f"versions_{number}",
            phrase("%(model)s, through %(provider)s", model=model, provider=provider),
            material.counted(
                answered or "no version named",
                "versions-that-answered",
                reason="more than one version answered under the same name"
                if len(answered) > 1
                else None,
            ),
        )


def annex_iv(material: Material) -> Section:
    """Section 22: a map of Annex IV, for providers of high-risk systems alone."""
    return Section(
        "22",
        "annex_iv",
        "Map of Annex IV",
        "AI Act Art. 11, Annex IV, Art. 18 (ten years for this document, not for logs): addressee "
        "is the provider of a high-risk system; later.",
        (_FILE_BESIDE,) if provided(material) else (),
        per_system(
            material, "points", "Points of Annex IV", lambda it: _points_of_annex_iv(material, it)
        ),
    )


def _points_of_annex_iv(material: Material, system: SystemInPeriod) -> tuple[Row, ...]:
    law = ("AI Act 11", "AI Act 18")
    role = material.role_of(system)
    if role is None:
        return (Row("annex_iv", "Documentation", unanswered_role(material, law)),)
    if role == "deployer":
        return (Row("annex_iv", "Documentation", _by_role(material, system, law)),)
    leaf = material.declarations.leaf("annex_iv.file", system.id)
    return tuple(
        Row(
            f"point_{number}",
            phrase("%(number)s  %(title)s", number=number, title=phrase(point.title)),
            leaf,
        )
        for number, point in enumerate(POINTS, start=1)
    )

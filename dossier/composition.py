"""Which sections a kind of dossier has, and the manifests made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dossier.document import Document, Section, section_json
from dossier.law import LAW_VERSION
from dossier.leaves import moment
from dossier.material import Material
from dossier.models import Kind
from dossier.sections import (
    closing,
    data_flow,
    incidents,
    logbook,
    modification,
    obligations,
    opening,
    oversight,
    people,
    provider_duties,
    systems,
    upstream,
)

Writer = Callable[[Material], Section]

TITLES = {
    Kind.ART53: "Upstream documentation trail",
    Kind.ART10: "Data-flow and input-data statement",
    Kind.FULL: "Evidence dossier",
}
SUBTITLES = {
    Kind.ART53: "in view of Art. 53 of Regulation (EU) 2024/1689 (addressee: the model provider)",
    Kind.ART10: "with a note on the applicability of Art. 10 of Regulation (EU) 2024/1689",
    Kind.FULL: "in view of Regulation (EU) 2024/1689 and Regulation (EU) 2016/679",
}
SECTIONS: dict[Kind, tuple[Writer, ...]] = {
    Kind.ART53: (
        opening.cover,
        systems.role,
        systems.system,
        upstream.register,
        upstream.requests,
        modification.modification,
        logbook.usage,
        logbook.integrity,
    ),
    Kind.ART10: (
        opening.cover,
        systems.role,
        systems.system,
        data_flow.statement,
        logbook.logging_statement,
        logbook.usage,
        logbook.integrity,
    ),
    Kind.FULL: (
        opening.cover,
        systems.role,
        systems.system,
        systems.risk,
        obligations.matrix,
        upstream.register,
        upstream.requests,
        modification.modification,
        data_flow.statement,
        logbook.logging_statement,
        logbook.integrity,
        logbook.usage,
        oversight.oversight,
        people.transparency,
        incidents.incidents,
        people.complaints,
        people.accuracy,
        people.assessments,
        provider_duties.monitoring,
        provider_duties.registration,
        people.literacy,
        provider_duties.changes,
        provider_duties.annex_iv,
    ),
}


def compose(material: Material) -> Document:
    """Write every section of the dossier."""
    written = sorted(
        (write(material) for write in SECTIONS[material.kind]),
        key=lambda section: int(section.number),
    )
    signed = (*written, closing.seal(material), closing.sources(material))
    title = TITLES[material.kind]
    gaps = closing.gaps(material, Document(title, signed))
    return Document(
        title,
        (*written, gaps, *signed[len(written) :]),
        subtitle=SUBTITLES[material.kind],
        notices=opening.READING_NOTICE,
    )


def manifest(material: Material, document: Document, *, kind: Kind) -> dict[str, Any]:
    """The whole document as data. Nothing in it depends on the language or on the machine."""
    return {
        "format": f"lex-custis/{kind.value}_manifest/v1",
        "law_version": LAW_VERSION,
        "dossier": identity(material),
        "sections": [section_json(section) for section in document.sections],
        "gaps": [
            {
                "section": gap.section,
                "block": gap.block,
                "field": gap.field,
                "state": gap.leaf.state.value,
                "reason": gap.leaf.reason,
            }
            for gap in document.gaps()
        ],
        "states": {state.value: count for state, count in document.state_counts().items()},
    }


def identity(material: Material) -> dict[str, Any]:
    """What every manifest of a dossier says about the dossier itself."""
    period = material.period
    return {
        "number": material.number,
        "kind": material.kind.value,
        "organisation": material.subject.name,
        "period_start": moment(period.opens),
        "period_end": moment(period.closes),
        "first_day": period.first.isoformat(),
        "last_day": period.last.isoformat(),
        "time_zone": period.zone,
        "as_of": moment(material.as_of),
        "generator": f"Lex Custis {material.software_version}",
    }

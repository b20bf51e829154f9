"""Sections 23 to 25: gaps, declaration and seal, sources."""

from __future__ import annotations

from dossier.document import Block, Document, Row, Section
from dossier.law import facts
from dossier.leaves import Evidence, published_upstream, unknown
from dossier.material import Material


def gaps(material: Material, document: Document) -> Section:
    """Section 23: how many statements are no answers; the list itself is made of them."""
    rows = tuple(
        Row(
            state.value.lower(),
            state.value,
            material.counted(count, "count-states", over="all fields of this dossier"),
        )
        for state, count in document.state_counts().items()
    )
    return Section(
        "23",
        "gaps",
        "Gaps and limits",
        "Made by the software from every field above.",
        (
            (
                "What follows is every field that is not an answer. It is not a list of faults: "
                "many of these questions are addressed to others, or to nobody yet."
            ),
        ),
        (Block("states", "Fields by state", rows, layout="checklist"),),
    )


def seal(material: Material) -> Section:
    """Section 24: who answers for it, and what the seal is."""
    signatory = unknown(
        "no person has signed this dossier", as_of=material.as_of, law=("eIDAS 25", "eIDAS 35")
    )
    software, plan = material.software(), material.seal
    rows = [
        Row("signatory", "Signed by", signatory),
        Row("seal", "Seal of this PDF", material.recorded(plan.quality, software)),
        Row("timestamp", "Time stamp", material.recorded(plan.timestamp, software)),
    ]
    if plan.is_sealed:
        certificate: Evidence = {"type": "certificate", "sha256": plan.certificate_sha256}
        rows += [
            Row("level", "Level", material.recorded(plan.level, software)),
            Row("sealed_by", "Sealed by", material.recorded(plan.subject, certificate)),
            Row("issuer", "Certificate from", material.recorded(plan.issuer, certificate)),
        ]
    return Section(
        "24",
        "seal",
        "Declaration and seal",
        "eIDAS Regulation Arts 35 to 42.",
        (
            (
                "A seal shows who issued a document and that it is unchanged. It does not show "
                "that the content is true or complete."
            ),
        ),
        (
            Block(
                "seal",
                "Level of seal and time stamp",
                tuple(rows),
            ),
        ),
    )


def sources(material: Material) -> Section:
    """Section 25: law and documents, with address and the date they were looked at."""
    register = facts("sources")
    rows = []
    for row in register.rows:
        if row["grade"] in ("P", "S"):
            leaf = published_upstream(
                row["url"],
                by="the publisher",
                url=row["url"],
                checked_on=register.checked_on,
                grade=row["grade"],
            )
        else:
            leaf = unknown(
                f"cited at {row['url']}; not opened again for this version of the software",
                as_of=material.as_of,
            )
        rows.append(Row(row["key"], row["title"], leaf))
    return Section(
        "25",
        "sources",
        "Sources",
        "Grade P: the text itself was read. Grade S: a secondary source was read.",
        (),
        (Block("law", "Law and guidance", tuple(rows)),),
    )

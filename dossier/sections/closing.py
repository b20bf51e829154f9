"""Sections 23 to 25: gaps, declaration and seal, sources."""

from __future__ import annotations

from dossier.document import Block, Document, Row, Section
from dossier.lawbook import Fact, joined
from dossier.leaves import Evidence, Leaf, published_upstream, unknown
from dossier.material import Material
from dossier.phrases import phrase
from dossier.upstream_file import document_leaf


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
    rows = [Row(fact.key, fact.row["title"], _source(material, fact)) for fact in _cited(material)]
    blocks = [Block("law", "Law and guidance", tuple(rows))]
    kept = [
        Row(
            f"document_{number}",
            phrase("%(title)s (%(model)s)", title=document.title, model=document.model),
            document_leaf(document, material.as_of),
        )
        for number, document in enumerate(material.upstream.documents, start=1)
    ]
    if kept:
        blocks.append(Block("documents", "Documents of model makers on file", tuple(kept)))
    return Section(
        "25",
        "sources",
        "Sources",
        "Grade P: the text itself was read. Grade S: a secondary source was read.",
        (),
        tuple(blocks),
    )


def _cited(material: Material) -> tuple[Fact, ...]:
    return material.law.facts("sources")


def _source(material: Material, fact: Fact) -> Leaf:
    remark = fact.remark(material.as_of)
    if fact.is_printable:
        return published_upstream(
            fact.row["url"],
            by="the publisher",
            url=fact.row["url"],
            checked_on=fact.checked_on,
            grade=fact.grade,
            reason=remark,
        )
    reason = phrase(
        "cited at %(url)s; not opened again for this version of the software", url=fact.row["url"]
    )
    return unknown(joined(reason, remark) or reason, as_of=material.as_of)

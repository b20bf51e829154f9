"""Section 0, the cover; and what every section says of a role that is not determined."""

from __future__ import annotations

from dossier.document import Block, Row, Section
from dossier.law import LAW_VERSION
from dossier.leaves import Leaf, unknown
from dossier.material import Material
from dossier.phrases import Phrase, phrase

READING_NOTICE = (
    (
        "This is a collection of evidence. It is not a conformity assessment, not a certificate "
        "and not a legal opinion."
    ),
    (
        "Every statement says where it comes from: recorded by this system (A), computed from "
        "records (C), declared by a named person (D), taken from an upstream provider's document "
        "(U), or from a third party (X). What is not known is printed as not known, in its place "
        "and again in the list of gaps."
    ),
)


def _entered(material: Material, value: str, reason: str) -> Leaf:
    if value:
        return material.recorded(value, material.organisation())
    return unknown(reason, as_of=material.as_of)


def cover(material: Material) -> Section:
    """Section 0: what this is, for whom and over what."""
    subject, period, data = material.subject, material.period, material.collected
    log = {"type": "log", "origin": material.integrity.origin}
    dossier = Block(
        "dossier",
        "This dossier",
        (
            Row(
                "legal_name",
                "Organisation",
                _entered(
                    material,
                    subject.legal_name,
                    "A legal name is not entered in the organisation's settings",
                ),
            ),
            Row("name", "Known as", material.recorded(subject.name, material.organisation())),
            Row(
                "register_number",
                "Register number",
                _entered(
                    material,
                    subject.register_number,
                    "A register number is not entered in the organisation's settings",
                ),
            ),
            Row(
                "country",
                "Country",
                _entered(
                    material,
                    subject.country,
                    "A country is not entered in the organisation's settings",
                ),
            ),
            Row(
                "number", "Dossier number", material.recorded(material.number, material.software())
            ),
            Row(
                "period",
                "Period",
                material.recorded(
                    {
                        "first_day": f"{period.first}",
                        "last_day": f"{period.last}",
                        "time_zone": period.zone,
                    },
                    material.software(),
                    reason=_still_running(material),
                ),
            ),
            Row(
                "law_version",
                "Version of the law",
                material.recorded(LAW_VERSION, material.software()),
            ),
            Row(
                "generator",
                "Made with",
                material.recorded(f"Lex Custis {material.software_version}", material.software()),
            ),
        ),
    )
    rows = [
        Row(
            "records",
            "Records in the period",
            material.counted(data.records, "count-records", log),
        ),
        Row("calls", "Calls to models", material.counted(data.calls, "count-calls", log)),
    ]
    for key, label, edge in (
        ("first_record", "First record", data.first_record),
        ("last_record", "Last record", data.last_record),
    ):
        rows.append(Row(key, label, _edge(material, edge)))
    extent = Block("extent", "What it rests on", tuple(rows))
    return Section(
        "0",
        "cover",
        "Cover and reading notice",
        "No article asks for this form. Art. 99(5) AI Act fines incorrect, incomplete or "
        "misleading information to authorities, so nothing here is rounded up.",
        READING_NOTICE,
        (dossier, extent),
    )


def _still_running(material: Material) -> str | None:
    if material.as_of < material.period.closes:
        return "the period was not over at the moment of this statement; later records are missing"
    return None


def _edge(material: Material, edge: tuple[str, object] | None) -> Leaf:
    if edge is None:
        return material.counted("none in the period", "edge-of-records")
    record_id, at = edge
    return material.recorded(f"{at:%Y-%m-%d %H:%M:%S} UTC", {"type": "record", "id": record_id})


def role_notice(material: Material) -> tuple[str, ...]:
    """What sections that hang on the role say where nobody has determined it."""
    missing = [system.name for system in material.without_role]
    if not missing:
        return ()
    return (
        phrase(
            "Role not determined for %(systems)s (section 1): this section states facts and draws "
            "nothing from them.",
            systems=", ".join(missing),
        ),
    )


def by_rule(material: Material, rule: str) -> Phrase:
    """Who decided that something does not apply: a rule of this software."""
    return phrase(
        "rule %(rule)s of this software, version %(version)s",
        rule=rule,
        version=material.software_version,
    )

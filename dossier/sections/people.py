"""Sections 12 to 15 and 20: oversight, transparency, incidents, complaints, literacy."""

from __future__ import annotations

from dossier.catalogue import CATALOGUE
from dossier.document import Block, Row, Section
from dossier.lawbook import Fact
from dossier.leaves import Leaf, published_upstream, unknown
from dossier.material import Material
from dossier.phrases import phrase
from dossier.sections.opening import role_notice
from dossier.sections.systems import declared_rows, per_system, register_evidence
from dossier.systems import SystemInPeriod

REVIEWS = ("accepted", "modified", "rejected")
REVIEW_LABELS = {
    "accepted": "Answers accepted",
    "modified": "Answers modified",
    "rejected": "Answers rejected",
}
INCIDENT_LABELS = {"updated": "Updated", "reported": "Reported", "closed": "Closed"}
_PER_CENT = 100


def oversight(material: Material) -> Section:
    """Section 12: who oversees, and what they did, with the signs of mere clicking too."""
    counts = material.collected.kinds
    reviews = {name: counts.get(f"oversight.{name}", 0) for name in REVIEWS}
    done = sum(reviews.values())
    completed = material.collected.totals()["completed"]
    rows = [
        Row(name, REVIEW_LABELS[name], material.counted(count, "count-records"))
        for name, count in reviews.items()
    ]
    rows += [
        Row(
            "review_rate", "Share of completed answers reviewed", _share(material, done, completed)
        ),
        Row(
            "override_rate",
            "Share of reviews that changed or rejected",
            _share(material, reviews["modified"] + reviews["rejected"], done),
        ),
        Row(
            "stopped",
            "Answers stopped by the user",
            material.counted(material.collected.totals()["stopped"], "count-endings"),
        ),
        Row(
            "paused",
            "Times the organisation stopped all use",
            material.counted(counts.get("organisation.paused", 0), "count-records"),
        ),
    ]
    return Section(
        "12",
        "oversight",
        "Human oversight",
        "AI Act Art. 14 (provider) and Art. 26(2) (deployer): high-risk systems, from 2 December "
        "2027 and 2 August 2028. Voluntary today.",
        (
            (
                "A review is a recorded decision of a person. A high share that changes nothing, "
                "or none at all, is printed as it is."
            ),
        ),
        (
            *per_system(material, "persons", "Persons", lambda it: _overseers(material, it)),
            Block("acts", "Recorded acts", tuple(rows), layout="checklist"),
        ),
    )


def _overseers(material: Material, system: SystemInPeriod) -> tuple[Row, ...]:
    named: Leaf
    if system.overseers:
        named = material.recorded(
            list(system.overseers),
            register_evidence(system),
            law=("AI Act 26(2)",),
            reason="entered in the register, not confirmed by a declaration",
        )
    else:
        named = unknown(
            "nobody is entered in the register as overseeing this system",
            as_of=material.as_of,
            law=("AI Act 26(2)",),
        )
    return (
        Row("named", "Named in the register", named),
        *declared_rows(
            material,
            system,
            ("persons", "Persons who oversee", "oversight.persons"),
            ("competence", "Competence and training", "oversight.competence"),
            ("authority", "Authority to stop or overrule", "oversight.authority"),
        ),
    )


def _share(material: Material, part: int, whole: int) -> Leaf:
    if not whole:
        return material.counted("nothing to divide by", "share")
    return material.counted(
        phrase(
            "%(part)s of %(whole)s (%(share)s %%)",
            part=part,
            whole=whole,
            share=part * _PER_CENT / whole,
        ),
        "share",
    )


def transparency(material: Material) -> Section:
    """Section 13: what people are told."""
    shown = material.recorded(
        material.subject.notice, material.organisation(), law=("AI Act 50(1)",)
    )
    subjects = material.declarations.leaf("transparency.data_subjects")
    return Section(
        "13",
        "transparency",
        "Transparency",
        "AI Act Art. 50(1), (2), (5) (provider), Art. 50(3), (4) (deployer): apply since 2 August "
        "2026; Art. 26(7), (11) for high-risk systems later. GDPR Arts 13 and 14 now.",
        (
            (
                "A line of text is no machine-readable marking, and a log is no substitute for one "
                "(Art. 50(2))."
            ),
        ),
        (
            Block(
                "notice",
                "Notice",
                (
                    Row("text", "Text shown above every chat", shown),
                    Row("subjects", "Data subjects, workers", subjects),
                ),
            ),
            *per_system(
                material,
                "declared",
                "As declared",
                lambda it: declared_rows(
                    material,
                    it,
                    ("places", "Where it is shown", "transparency.notice"),
                    ("version", "Version of the notice", "transparency.notice_version"),
                    ("marking", "Marking of generated content", "transparency.marking"),
                    ("market_date", "First placed on the market", "transparency.market_date"),
                    ("published", "Published text, deep fakes", "transparency.published_text"),
                    ("editor", "Editorial responsibility", "transparency.editor"),
                ),
            ),
        ),
    )


def incidents(material: Material) -> Section:
    """Section 14: what was recorded. That nothing was recorded is not that nothing occurred."""
    counts = material.collected.kinds
    opened = counts.get("incident.opened", 0)
    reason = None
    if not opened:
        reason = (
            "no incident was recorded in the period (monitoring coverage: calls through this "
            "system and reports entered in it)"
        )
    clocks = tuple(_clock(material, fact) for fact in material.law.facts("incident_clocks"))
    return Section(
        "14",
        "incidents",
        "Incidents",
        "AI Act Art. 73 (provider of a high-risk system), Art. 26(5) (deployer: inform the "
        "provider first), Art. 55(1)(c) (provider of a model). For a chat that is not high-risk "
        "Art. 73 does not apply; a record is kept anyway. GDPR Arts 33 and 34 run beside it.",
        (*role_notice(material),),
        (
            Block(
                "register",
                "Recorded in the period",
                (
                    Row(
                        "opened", "Opened", material.counted(opened, "count-records", reason=reason)
                    ),
                    *(
                        Row(
                            name,
                            label,
                            material.counted(counts.get(f"incident.{name}", 0), "count-records"),
                        )
                        for name, label in INCIDENT_LABELS.items()
                    ),
                ),
                layout="checklist",
            ),
            Block(
                "monitoring",
                "How incidents come to be known",
                (
                    Row(
                        "monitoring",
                        "Monitoring",
                        material.declarations.leaf("incidents.monitoring"),
                    ),
                    Row(
                        "contacts",
                        "Whom to inform",
                        material.declarations.leaf("incidents.contacts"),
                    ),
                ),
            ),
            Block(
                "clocks",
                "Longest times to report",
                clocks,
                note="Each stands behind “immediately”. The shortest that fits counts.",
            ),
        ),
    )


def _clock(material: Material, fact: Fact) -> Row:
    """The longest time to report one case."""
    row, law = fact.row, (f"AI Act {fact.row['law']}",)
    if fact.is_printable:
        leaf = published_upstream(
            phrase(
                "at the latest %(days)s days after awareness; trigger: %(trigger)s",
                days=row["max_days"],
                trigger=phrase(row["trigger"]),
            ),
            by="Regulation (EU) 2024/1689",
            url=fact.source,
            checked_on=fact.checked_on,
            grade=fact.grade,
            reason=fact.remark(material.as_of),
            law=law,
        )
    else:
        leaf = unknown("the text was not opened for this row", as_of=material.as_of, law=law)
    name = row["case"].strip("0123456789()").strip("_") or "other"
    return Row(name, row["case"].replace("_", " "), leaf)


def complaints(material: Material) -> Section:
    """Section 15: explanation and complaints."""
    return _declared(
        material,
        "15",
        key="complaints",
        title="Explanation and complaints",
        law="AI Act Arts 85 and 86 (Annex III systems; formally since 2 August 2026); "
        "GDPR Arts 12, 15, 22 (now).",
        fields={"channel": "complaints.channel", "requests": "complaints.requests"},
    )


def literacy(material: Material) -> Section:
    """Section 20: a duty that applies now, to providers and deployers."""
    return _declared(
        material,
        "20",
        key="literacy",
        title="AI literacy",
        law="AI Act Art. 4(1), as replaced in 2026: providers and deployers, applies now. Measures "
        "are owed, no level of any person.",
        fields={
            "measures": "literacy.measures",
            "audience": "literacy.audience",
            "material": "literacy.material",
        },
    )


def _declared(
    material: Material, number: str, *, key: str, title: str, law: str, fields: dict[str, str]
) -> Section:
    rows = tuple(
        Row(name, CATALOGUE[declaration].label, material.declarations.leaf(declaration))
        for name, declaration in fields.items()
    )
    return Section(
        number, key, title, law, role_notice(material), (Block(key, "As declared", rows),)
    )


def accuracy(material: Material) -> Section:
    """Section 16: own tests; what model makers measured is not one."""
    return Section(
        "16",
        "accuracy",
        "Accuracy, robustness, cybersecurity",
        "AI Act Art. 15 (provider of a high-risk system, later); GDPR Art. 32 (now).",
        role_notice(material),
        per_system(
            material,
            "accuracy",
            "As declared",
            lambda it: declared_rows(
                material,
                it,
                ("tests", "Own tests of accuracy and robustness", "accuracy.tests"),
                ("security", "Penetration test", "accuracy.security"),
                ("vulnerabilities", "Handling of vulnerabilities", "accuracy.vulnerabilities"),
            ),
        ),
    )


def assessments(material: Material) -> Section:
    """Section 17: impact assessments."""
    return Section(
        "17",
        "assessments",
        "Impact assessments",
        "GDPR Art. 35 (now); AI Act Art. 27 (listed deployers of high-risk systems, later).",
        role_notice(material),
        per_system(
            material,
            "assessments",
            "As declared",
            lambda it: declared_rows(
                material,
                it,
                ("dpia", "Data protection impact assessment", "assessment.dpia"),
                ("fria", "Fundamental rights impact assessment", "assessment.fria"),
                ("fria_notified", "Notice of it to the authority", "assessment.fria_notified"),
            ),
        ),
    )


def unanswered_role(material: Material, law: tuple[str, ...]) -> Leaf:
    """What stands where a rule hangs on a role that nobody has determined."""
    return unknown("the role is not determined (section 1)", as_of=material.as_of, law=law)

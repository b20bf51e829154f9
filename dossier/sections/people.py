"""Sections 13, 15 to 17 and 20: transparency, complaints, accuracy, assessments, literacy."""

from __future__ import annotations

from dossier.catalogue import CATALOGUE
from dossier.document import Block, Row, Section
from dossier.leaves import Leaf, unknown
from dossier.material import Material
from dossier.sections.opening import role_notice
from dossier.sections.systems import declared_rows, per_system


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

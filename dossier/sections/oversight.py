"""Section 12: who oversees, and what they did, with the signs of mere clicking too."""

from __future__ import annotations

from collections.abc import Iterator

from dossier.document import Block, Row, Section
from dossier.leaves import Leaf, unknown
from dossier.material import Material
from dossier.phrases import Phrase, phrase
from dossier.review_figures import DECISIONS
from dossier.sections.systems import declared_rows, per_system, register_evidence
from dossier.systems import SystemInPeriod
from oversight.review_figures import HASTY_SECONDS

DECISION_LABELS = {
    "accepted": "Answers accepted",
    "modified": "Answers modified",
    "rejected": "Answers rejected",
}
REASON_LABELS = {
    "correct": "Correct, as far as checked",
    "adequate": "Good enough for its purpose",
    "facts": "Facts are wrong",
    "incomplete": "Something essential is missing",
    "tone": "Tone or wording does not fit",
    "personal_data": "Reveals personal data",
    "harmful": "Could harm somebody",
    "unlawful": "Discriminates, or is not lawful to use",
    "other": "Something else",
}
_PER_CENT = 100


def oversight(material: Material) -> Section:
    """Section 12: Art. 14 and Art. 26(2), what is declared of it and what the log says."""
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
            Block("acts", "Recorded acts", tuple(_acts(material)), layout="checklist"),
            Block(
                "reasons",
                "Reasons given for the decisions",
                tuple(_reasons(material)),
                layout="checklist",
            ),
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


def decisions(material: Material) -> dict[str, int]:
    """How many answers were accepted, modified and rejected in the period."""
    counts = material.collected.kinds
    return {kind.partition(".")[2]: counts.get(kind, 0) for kind in DECISIONS}


def _acts(material: Material) -> Iterator[Row]:
    """Counts of reviews and stops, and the figures in which automation bias would show."""
    counts, figures = material.collected.kinds, material.collected.reviews
    totals, reviews = material.collected.totals(), decisions(material)
    done = sum(reviews.values())
    asked = material.counted(counts.get("oversight.requested", 0), "count-records")
    yield Row("requested", "Reviews asked for", asked)
    for name, count in reviews.items():
        yield Row(name, DECISION_LABELS[name], material.counted(count, "count-records"))
    yield Row("open_at_end", "Reviews open at the end of the period", _open_at_end(material))
    yield Row(
        "review_rate",
        "Share of completed answers reviewed",
        _share(material, done, totals["completed"]),
    )
    yield Row(
        "override_rate",
        "Share of reviews that changed or rejected",
        _share(material, reviews["modified"] + reviews["rejected"], done),
    )
    yield Row("median_seconds", "Median time from taking up to the decision", _median(material))
    yield Row(
        "within_3_seconds",
        phrase("Share of reviews decided within %(seconds)s seconds", seconds=HASTY_SECONDS),
        _share(
            material,
            figures.clicked,
            figures.timed,
            reason=_unread(material)
            or "in whole seconds, as recorded; a high share is a sign of mere clicking",
        ),
    )
    yield Row(
        "reviewers", "Persons who decided", material.counted(figures.reviewers, "count-reviewers")
    )
    stopped = material.counted(totals["stopped"], "count-endings")
    yield Row("stopped", "Answers stopped by the user", stopped)
    paused = material.counted(counts.get("organisation.paused", 0), "count-records")
    yield Row("paused", "Times the organisation stopped all use", paused)


def _open_at_end(material: Material) -> Leaf:
    figures = material.collected.reviews
    reason = None
    if figures.waiting:
        reason = phrase(
            "asked for in the period: %(now)s, before it: %(before)s",
            now=figures.waiting - figures.waiting_before,
            before=figures.waiting_before,
        )
    return material.counted(
        figures.waiting,
        "open-reviews",
        over=material.range_from_before,
        reason=reason,
    )


def _median(material: Material) -> Leaf:
    middle = material.collected.reviews.median
    if middle is None:
        return material.counted(
            "nothing to measure", "median-review-seconds", reason=_unread(material)
        )
    return material.counted(
        phrase("%(seconds)s s", seconds=middle),
        "median-review-seconds",
        reason=_unread(material),
    )


def _unread(material: Material) -> Phrase | None:
    """Why not every decision is in a figure, None where each is."""
    unread = material.collected.reviews.unread
    if not unread:
        return None
    return phrase(
        "without %(number)s decisions whose records are gone or changed: see section 10",
        number=unread,
    )


def _reasons(material: Material) -> Iterator[Row]:
    """Each reason that was given, the most frequent first."""
    given = material.collected.reviews.reasons
    known = {name: given[name] for name in REASON_LABELS if given.get(name)}
    for name, count in sorted(known.items(), key=lambda item: -item[1]):
        yield Row(name, REASON_LABELS[name], material.counted(count, "count-reasons"))
    if others := sum(given.values()) - sum(known.values()):
        leaf = material.counted(others, "count-reasons")
        yield Row("unknown", "A reason that this version does not know", leaf)
    if not given:
        none = material.counted("no decision was recorded in the period", "count-reasons")
        yield Row("none", "Reasons", none)


def _share(material: Material, part: int, whole: int, *, reason: str | None = None) -> Leaf:
    if not whole:
        return material.counted("nothing to divide by", "share", reason=reason)
    return material.counted(
        phrase(
            "%(part)s of %(whole)s (%(share)s %%)",
            part=part,
            whole=whole,
            share=part * _PER_CENT / whole,
        ),
        "share",
        reason=reason,
    )

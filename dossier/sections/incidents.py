"""Section 14: what was recorded. That nothing was recorded is not that nothing occurred."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime

from dossier.document import Block, Row, Section
from dossier.incident_register import IncidentAsRecorded
from dossier.lawbook import Fact
from dossier.leaves import Evidence, Leaf, Origin, Value, moment, published_upstream, unknown
from dossier.material import Material
from dossier.phrases import Phrase, phrase
from dossier.sections.opening import role_notice

NONE_RECORDED = (
    "no incident was recorded in the period (monitoring coverage: calls through this system and "
    "reports entered in it)"
)
COUNT_LABELS = {"updated": "Updated", "reported": "Reported", "closed": "Closed"}
# What records call it, and what paper and manifests do.
CATEGORIES: Mapping[str, str] = {
    "": phrase("not assessed"),
    "health": "Death of a person, or serious harm to a person's health, Art. 3(49)(a)",
    "infrastructure": "Serious and irreversible disruption of critical infrastructure, "
    "Art. 3(49)(b)",
    "rights": "Infringement of obligations that protect fundamental rights, Art. 3(49)(c)",
    "property": "Serious harm to property or the environment, Art. 3(49)(d)",
    "none": "None of the cases of Art. 3(49)",
}
SEVERITIES: Mapping[str, str] = {
    "low": phrase("low"),
    "medium": phrase("medium"),
    "high": phrase("high"),
    "critical": phrase("critical"),
}
STATUSES: Mapping[str, str] = {
    "open": phrase("open"),
    "under_review": phrase("under review"),
    "initial_report_sent": phrase("initial report sent"),
    "reported_to_authority": phrase("reported to the authority"),
    "resolved": phrase("resolved"),
    "closed": phrase("closed"),
    "triaged_not_serious": phrase("found not to be serious"),
}
CAUSAL_LINKS: Mapping[str, str] = {
    "": phrase("not assessed"),
    "excluded": phrase("excluded"),
    "suspected": phrase("suspected"),
    "reasonably_likely": phrase("reasonably likely"),
    "established": phrase("established"),
}


def incidents(material: Material) -> Section:
    """Section 14: the register of the period (Art. 73, Art. 26(5)), counts, and longest times."""
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
                tuple(_counts(material)),
                layout="checklist",
            ),
            *_incidents(material),
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
                tuple(_clock(material, fact) for fact in material.law.facts("incident_clocks")),
                note="Each stands behind “immediately”. The shortest that fits counts.",
            ),
        ),
    )


def _counts(material: Material) -> Iterator[Row]:
    """How many records of each kind there are, and how many incidents they are about."""
    counts, register = material.collected.kinds, material.collected.incidents
    opened = counts.get("incident.opened", 0)
    is_none = not opened and not register.incidents
    leaf = material.counted(opened, "count-records", reason=NONE_RECORDED if is_none else None)
    yield Row("opened", "Opened", leaf)
    for name, label in COUNT_LABELS.items():
        count = counts.get(f"incident.{name}", 0)
        yield Row(name, label, material.counted(count, "count-records"))
    over = material.range_from_before
    yield Row(
        "listed",
        "Incidents of the period, with those from before that were not over",
        material.counted(len(register.incidents), "incidents-of-period", over=over),
    )
    yield Row(
        "open_at_end",
        "Incidents not over at the end of the period",
        material.counted(register.open_at_end, "incidents-not-over", over=over),
    )
    if register.unread:
        yield Row(
            "unread",
            "Records of incidents that are gone or changed",
            material.counted(
                register.unread,
                "unread-records",
                over=over,
                reason="what is said of incidents is said without them: see section 10",
            ),
        )


# -- One incident ----------------------------------------------------------------------------------


def _incidents(material: Material) -> Iterator[Block]:
    for number, item in enumerate(material.collected.incidents.incidents, start=1):
        yield Block(
            f"incident_{number}",
            phrase("Incident %(name)s", name=item.name),
            tuple(_rows(material, item)),
            note="Those whose time to report runs come first. What an incident led to, when it was "
            "learnt of and what was sent is as people entered it; the log shows when they did. "
            "Descriptions and reasons are content, and are not printed."
            if number == 1
            else "",
            layout="dense",
            system=item.system_id if _system_name(material, item) else "",
        )


def _rows(material: Material, item: IncidentAsRecorded) -> Iterator[Row]:
    """What the last of its records says, each field with that record."""
    said = _Said(material, item)
    records: list[Evidence] = [{"type": "record", "id": str(it)} for it in item.record_ids]
    yield Row("id", "Number in the log", material.recorded(str(item.id), *records))
    yield Row(
        "led_to",
        "What it led to",
        said.word("category", CATEGORIES, law="AI Act 3(49)", reason=_extent(item)),
    )
    yield Row("system", "AI system", said.value("system_id", _system(material, item)))
    yield Row("severity", "Severity", said.word("severity", SEVERITIES))
    yield Row("status", "State", said.word("status", STATUSES))
    if item.country:
        yield Row("country", "Member State", said.value("country", item.country))
    occurred = said.moment("occurred_at", missing="no moment is entered")
    yield Row("occurred_at", "Occurred", occurred)
    yield Row("aware_at", "The organisation became aware", said.moment("aware_at"))
    yield Row("window", "Longest time, where Art. 73 applies", said.value("window", _window(item)))
    due = moment(item.due_at) if item.due_at else _NO_TIME
    yield Row("due_at", "End of that time", said.value("due_at", due))
    yield Row("initial_report", "Initial report", _initial_report(said))
    yield Row("complete_report", "Complete report", _complete_report(said))
    if item.authority:
        told = ", ".join(filter(None, (item.authority, item.reference)))
        yield Row("authority", "Authority and reference", said.value("authority", told))
    informed = said.value(
        "provider_informed_at", _at(item.provider_informed_at) or _NONE, law="AI Act 26(5)"
    )
    yield Row("provider_informed", "Provider informed", informed)
    yield Row("causal_link", "Causal link", said.word("causal_link", CAUSAL_LINKS))
    yield Row(
        "persons_affected",
        "Persons affected",
        said.value("persons_affected", item.persons_affected, missing="no number is entered"),
    )


_NONE = phrase("nothing noted")
_NO_TIME = phrase("no time to report runs")


class _Said:
    """Leaves of what one incident's record says."""

    def __init__(self, material: Material, item: IncidentAsRecorded) -> None:
        self.material, self.item = material, item

    def value(
        self,
        name: str,
        value: Value,
        *,
        law: str = "AI Act 73",
        reason: str | None = None,
        missing: str = "nothing is entered",
    ) -> Leaf:
        """*value*, from the field *name*; unknown where it is None or the record is gone."""
        if self.item.told_by is None:
            missing = "no record of it can be read any more: see section 10"
            value = None
        if value in (None, ""):
            as_of = self.material.as_of
            return unknown(missing, as_of=as_of, origin=Origin.RECORDED, law=(law,))
        evidence = {
            "type": "record_field",
            "id": str(self.item.told_by),
            "kind": self.item.kind,
            "field": f"lexcustis.incident.{name}",
        }
        return self.material.recorded(value, evidence, law=(law,), reason=reason)

    def word(
        self,
        name: str,
        words: Mapping[str, str],
        *,
        law: str = "AI Act 73",
        reason: str | None = None,
    ) -> Leaf:
        """The word for what the field *name* says, which is one of *words*."""
        said = words.get(getattr(self.item, name))
        missing = "the record says something that this version does not know"
        return self.value(name, said, law=law, reason=reason, missing=missing)

    def moment(self, name: str, *, missing: str = "nothing is entered") -> Leaf:
        """The moment that the field *name* says."""
        return self.value(name, _at(getattr(self.item, name)), missing=missing)


def _at(at: datetime | None) -> str | None:
    return None if at is None else moment(at)


def _extent(item: IncidentAsRecorded) -> Phrase | None:
    """What decides on the window beside the limb of Art. 3(49)."""
    if item.is_death and item.is_widespread:
        return phrase("a person died; widespread infringement, Art. 3(61)")
    if item.is_widespread:
        return phrase("widespread infringement, Art. 3(61)")
    return phrase("a person died") if item.is_death else None


def _system_name(material: Material, item: IncidentAsRecorded) -> str | None:
    return next((it.name for it in material.systems if it.id == item.system_id), None)


def _system(material: Material, item: IncidentAsRecorded) -> str:
    return _system_name(material, item) or item.system_id


def _window(item: IncidentAsRecorded) -> Phrase:
    if not item.window or item.days is None:
        return _NO_TIME
    return phrase(
        "%(days)s days after awareness, %(paragraph)s",
        days=item.days,
        paragraph=_paragraph(item.window),
    )


def _paragraph(law: str) -> Phrase:
    """A paragraph as records name it, such as ``73(3)``: each language names it in its own way."""
    found = _PARAGRAPH.fullmatch(law)
    if found is None:
        return phrase("Art. %(article)s", article=law)
    article, paragraph = found.groups()
    return phrase("Art. %(article)s(%(paragraph)s)", article=article, paragraph=paragraph)


_PARAGRAPH = re.compile(r"(\d+)\((\d+)\)")


def _initial_report(said: _Said) -> Leaf:
    item = said.item
    sent = item.initial_report_at
    return said.value(
        "initial_report_at",
        _at(sent) or _NONE,
        law="AI Act 73(5)",
        reason=_in_time(item, sent) if sent else None,
    )


def _complete_report(said: _Said) -> Leaf:
    item = said.item
    sent = item.reported_at
    if sent is None:
        reason = _why_none(item, said.material.collected.until)
    elif item.initial_report_at is not None and item.initial_report_at <= sent:
        reason = phrase("after an initial report: for this one Art. 73(5) names no time")
    else:
        reason = _in_time(item, sent)
    return said.value("reported_at", _at(sent) or _NONE, reason=reason)


def _in_time(item: IncidentAsRecorded, sent: datetime) -> Phrase | None:
    if item.due_at is None:
        return None
    if sent <= item.due_at:
        return phrase("before the end of the time")
    return phrase("after the end of the time")


def _why_none(item: IncidentAsRecorded, until: datetime) -> Phrase | None:
    """What a complete report that is not there means, as far as the log tells."""
    if item.due_at is None or item.initial_report_at is not None:
        return None
    if item.ended_at is not None:
        return phrase("the incident ended without a report")
    if until > item.due_at:
        return phrase("at %(at)s the time was over", at=until)
    return phrase("at %(at)s the time was still running", at=until)


# -- Longest times ---------------------------------------------------------------------------------


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

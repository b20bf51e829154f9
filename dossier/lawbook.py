"""The facts of law as an organisation holds them: our files, and what its people checked since.

A row is the file's until somebody confirms or changes it; then it carries that person's name, day
and source. A row that nobody looked at since its review period is printed with that remark.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from dossier import law
from dossier.fact_models import FactReview
from dossier.law import PRINTABLE_GRADES
from dossier.phrases import Phrase, phrase

# What may be changed in a row of each file; its identity and its article may not.
EDITABLE: Mapping[str, tuple[str, ...]] = {
    "annex_xii": ("title",),
    "incident_clocks": ("max_days", "trigger"),
    "obligations": ("duty", "from", "now", "lim"),
    "sources": ("title", "url"),
    "upstream": ("value",),
    "wording": (),
}
_KEYS = {
    "annex_xii": "key",
    "incident_clocks": "case",
    "obligations": "id",
    "sources": "key",
    "wording": "forbidden",
}
# Facts of law. How other languages' words are found in a text is a rule of ours, not a fact.
FILES: tuple[str, ...] = tuple(EDITABLE)


@dataclass(frozen=True, slots=True)
class Fact:
    """One row: what it says, what it rests on, and who looked at it last."""

    file: str
    key: str
    row: Mapping[str, Any]
    grade: str
    source: str
    checked_on: date
    review_by: date
    law_version: str
    review: FactReview | None = None

    @property
    def is_printable(self) -> bool:
        """Whether it may be printed as fact: somebody read the text or a source for it."""
        return self.grade in PRINTABLE_GRADES

    def is_stale(self, at: datetime) -> bool:
        """Whether its review is overdue."""
        return at.date() > self.review_by

    def remark(self, at: datetime) -> Phrase | None:
        """What is printed beside it: that a person changed it, that its check is overdue."""
        parts = []
        if self.review is not None and self.review.act == FactReview.Act.OVERRIDDEN:
            parts.append(
                phrase(
                    "as changed by %(name)s (%(role)s) on %(day)s, source %(source)s",
                    name=self.review.reviewed_name,
                    role=phrase(self.review.reviewed_role),
                    day=self.checked_on,
                    source=self.source,
                )
            )
        if self.is_stale(at):
            parts.append(
                phrase("last checked on %(day)s; the check is overdue", day=self.checked_on)
            )
        return joined(*parts)


def joined(*parts: str | None) -> Phrase | None:
    """Remarks as one; None where there is none."""
    whole: Phrase | None = None
    for part in parts:
        if not part:
            continue
        said = part if isinstance(part, Phrase) else phrase(part)
        whole = said if whole is None else phrase("%(one)s; %(two)s", one=whole, two=said)
    return whole


class LawBook:
    """Every fact, as it stood at *as_of* for one organisation."""

    def __init__(self, reviews: Iterable[FactReview], as_of: datetime) -> None:
        self.as_of = as_of
        self._newest: dict[tuple[str, str], FactReview] = {}
        for review in sorted(reviews, key=lambda it: (it.reviewed_at, str(it.pk))):
            if review.reviewed_at <= as_of:
                self._newest[review.file, review.key] = review
        self._files: dict[str, dict[str, Fact]] = {}

    def facts(self, name: str) -> tuple[Fact, ...]:
        """The rows of the file *name*, in its order."""
        return tuple(self._of(name).values())

    def find(self, name: str, key: str) -> Fact | None:
        """One row."""
        return self._of(name).get(key) if name in EDITABLE else None

    def maker_of(self, model: str) -> dict[str, Any] | None:
        """The maker of *model* with what was checked since; None where the name does not tell."""
        row = law.maker_of(model)
        if row is None:
            return None
        maker = copy.deepcopy(row)
        for field, entry in maker["fields"].items():
            fact = self._of("upstream")[f"{maker['key']}.{field}"]
            entry |= {
                "value": fact.row["value"],
                "grade": fact.grade,
                "source": fact.source,
                "checked_on": fact.checked_on,
                "remark": fact.remark(self.as_of),
            }
        return maker

    def _of(self, name: str) -> dict[str, Fact]:
        if name not in self._files:
            self._files[name] = {fact.key: self._reviewed(fact) for fact in _on_file(name)}
        return self._files[name]

    def _reviewed(self, fact: Fact) -> Fact:
        review = self._newest.get((fact.file, fact.key))
        if review is None:
            return fact
        day = review.reviewed_at.date()
        period = law.facts(fact.file).review_after
        changes = {k: v for k, v in review.changes.items() if k in EDITABLE[fact.file]}
        return Fact(
            file=fact.file,
            key=fact.key,
            row={**fact.row, **changes},
            grade=review.grade,
            source=review.source,
            checked_on=day,
            review_by=day + period,
            law_version=law.LAW_VERSION,
            review=review,
        )


def law_at(organisation_id: UUID, as_of: datetime) -> LawBook:
    """The facts as the organisation's people had checked them by *as_of*."""
    reviews = FactReview.objects.for_organisation(organisation_id).filter(reviewed_at__lte=as_of)
    return LawBook(reviews, as_of)


def on_file(name: str, key: str) -> Fact:
    """One row as it stands in our file. Raises :class:`KeyError`."""
    return {fact.key: fact for fact in _on_file(name)}[key]


def _on_file(name: str) -> Iterator[Fact]:
    register = law.facts(name)
    for row in register.rows:
        if name == "upstream":
            for field, entry in row["fields"].items():
                atom = {"maker": row["name"], "field": field, "value": entry["value"]}
                yield _fact(register, f"{row['key']}.{field}", atom, entry)
        else:
            yield _fact(register, str(row[_KEYS[name]]), row, row)


def _fact(register: law.Facts, key: str, row: Mapping[str, Any], about: Mapping[str, Any]) -> Fact:
    checked = date.fromisoformat(about.get("checked_on") or register.checked_on.isoformat())
    return Fact(
        file=register.name,
        key=key,
        row=row,
        grade=str(about["grade"]),
        source=str(about.get("source") or about.get("url") or ""),
        checked_on=checked,
        review_by=checked + register.review_after,
        law_version=str(about.get("law_version") or register.content["law_version"]),
    )

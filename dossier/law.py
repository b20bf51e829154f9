"""Law as data: what the files of facts say, and how far it may be printed.

Each file carries the date it was checked, the version of the law and a review period; each row a
grade. Only grades P (primary text read) and S (secondary source read) are printed as fact.
"""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal

from dossier.leaves import Leaf, Origin, published_upstream, unknown
from dossier.phrases import phrase
from oversight.clocks import CLOCKS_FILE

FACTS = Path(__file__).parent / "facts"
PRINTABLE_GRADES = frozenset({"P", "S"})

LAW_VERSION = "2024/1689 as amended by 2026/1744, status 2026-11-21"
LAW_TITLE = "Regulation (EU) 2024/1689 as amended by Regulation (EU) 2026/1744"

Name = Literal[
    "annex_xii",
    "incident_clocks",
    "obligations",
    "sources",
    "upstream",
    "wording",
    "wording_languages",
]


@dataclass(frozen=True, slots=True)
class Facts:
    """One file of facts."""

    name: str
    checked_on: date
    review_after: timedelta
    rows: tuple[dict[str, Any], ...]
    content: dict[str, Any]

    def is_stale(self, at: datetime) -> bool:
        """Whether the rows are older than their review period, and are printed as such."""
        return at.date() > self.checked_on + self.review_after


def file_of(name: Name) -> Path:
    """Where the file *name* stands: the clocks run on a floor below, and theirs stands there."""
    return CLOCKS_FILE if name == "incident_clocks" else FACTS / f"{name}.json"


@functools.cache
def facts(name: Name) -> Facts:
    """The file *name*, read once per process."""
    content = json.loads(file_of(name).read_text(encoding="utf-8"))
    return Facts(
        name=name,
        checked_on=date.fromisoformat(content["checked_on"]),
        review_after=timedelta(days=content["review_after_days"]),
        rows=tuple(content["rows"]),
        content=content,
    )


def maker_of(model: str) -> dict[str, Any] | None:
    """The row of the company that made *model*, as far as the model's name tells.

    A host's prefix (``anthropic.``, ``models/``, ``mistralai/``) is skipped, the longest pattern
    wins. None where no row fits: then nothing is said about the maker.
    """
    name = model.lower()
    tails = {name.rsplit("/", 1)[-1]}
    for host in name.split(".")[:-1]:  # eu.anthropic.claude-…: region, maker, model
        name = name[len(host) + 1 :]
        tails.add(name)
    best: tuple[int, dict[str, Any]] | None = None
    for row in facts("upstream").rows:
        for pattern in row["model_patterns"]:
            fits = any(tail.startswith(pattern) for tail in tails)
            if fits and (best is None or len(pattern) > best[0]):
                best = (len(pattern), row)
    return best[1] if best else None


def not_a_model(model: str) -> str | None:
    """Why *model* is no trained model at all, or None where it is one."""
    for row in facts("upstream").content["not_models"]:
        if model.startswith(row["pattern"]):
            return str(row["reason"])
    return None


def host_of(provider: str) -> dict[str, str]:
    """Who runs the model behind a provider's name in the log: ``name`` and ``level``.

    A level is ``maker`` (the maker itself), ``cloud`` (another company's cloud: then there are two
    levels), ``settings`` (a server that the organisation named), or ``own`` (this software).
    """
    for row in facts("upstream").content["hosts"]:
        if row["provider"] == provider:
            return dict(row)
    return {"provider": provider, "name": provider, "level": "settings"}


def upstream_leaf(
    maker: dict[str, Any], field: str, *, as_of: datetime, law: tuple[str, ...] = ()
) -> Leaf:
    """What is on file about *maker*'s *field*: published with its source, or unknown with why."""
    entry = maker["fields"][field]
    register = facts("upstream")
    if entry["grade"] not in PRINTABLE_GRADES or entry["value"] is None:
        if entry["value"] is None:
            reason = phrase(
                "not verified for %(maker)s as of %(day)s",
                maker=maker["name"],
                day=register.checked_on,
            )
        else:
            reason = phrase(
                "a value for %(maker)s is on file, but no source for it was read (grade "
                "%(grade)s), so it is not printed",
                maker=maker["name"],
                grade=entry["grade"],
            )
        return unknown(reason, as_of=as_of, origin=Origin.UPSTREAM, law=law)
    stale: str | None = entry.get("remark")
    if "checked_on" not in entry and register.is_stale(as_of):
        stale = phrase("last checked on %(day)s; the check is overdue", day=register.checked_on)
    return published_upstream(
        entry["value"],
        by=maker["name"],
        url=entry["source"],
        checked_on=entry.get("checked_on") or register.checked_on,
        grade=entry["grade"],
        reason=stale,
        law=law,
    )


def documents_for(maker: dict[str, Any], model: str) -> list[dict[str, Any]]:
    """The maker's documents on file that name *model*, or that name no model in particular."""
    name = model.lower().rsplit("/", 1)[-1]
    return [
        document
        for document in maker["documents"]
        if document["grade"] in PRINTABLE_GRADES
        and (not document["models"] or any(name.startswith(m) for m in document["models"]))
    ]


@functools.cache
def forbidden_wording() -> tuple[tuple[str, str], ...]:
    """What must not be written, in lower case, and what to write instead."""
    return tuple((row["forbidden"], row["write"]) for row in facts("wording").rows)


def wording_faults(text: str) -> list[str]:
    """The forbidden phrases that *text* holds; a phrase in “quotation marks” counts too."""
    lowered = " ".join(text.lower().split())
    return [phrase for phrase, _ in forbidden_wording() if phrase in lowered]


@functools.cache
def _forbidden_in(language: str) -> tuple[re.Pattern[str], ...]:
    rows = facts("wording_languages").rows
    return tuple(re.compile(row["pattern"]) for row in rows if row["language"] == language)


def wording_faults_in(language: str, text: str) -> list[str]:
    """What *text* says in *language* that may not be said there; see :func:`wording_faults`."""
    lowered = " ".join(text.lower().split())
    return [
        found.group() for pattern in _forbidden_in(language) for found in pattern.finditer(lowered)
    ]

"""The leaf of a manifest: every statement says where it comes from and what it does not prove.

A leaf is never a bare value. It is made by one of the functions below, one for each state, and
each function asks for what that state cannot do without: a record for what was observed, a person
for what was declared, an address for what was published, a reason for what is not known.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from dossier.phrases import phrase

Value = str | int | bool | list[Any] | dict[str, Any] | None
Evidence = Mapping[str, Any]


class State(enum.StrEnum):
    """How far a statement carries. The list is closed."""

    RECORDED = "RECORDED"
    COMPUTED = "COMPUTED"
    DECLARED = "DECLARED"
    UPSTREAM_PUBLISHED = "UPSTREAM_PUBLISHED"
    UPSTREAM_SUPPLIED = "UPSTREAM_SUPPLIED"
    REQUESTED = "REQUESTED"
    REFUSED = "REFUSED"
    NOT_FOUND = "NOT_FOUND"
    NOT_APPLICABLE = "NOT_APPLICABLE"
    NOT_YET_APPLICABLE = "NOT_YET_APPLICABLE"
    UNKNOWN = "UNKNOWN"
    EXPIRED = "EXPIRED"
    ERASED = "ERASED"
    WITHHELD = "WITHHELD"


class Origin(enum.StrEnum):
    """Who or what a statement comes from. The list is closed."""

    RECORDED = "A"
    COMPUTED = "C"
    DECLARED = "D"
    UPSTREAM = "U"
    THIRD_PARTY = "X"


# Printed in their section and again in the list of gaps.
GAP_STATES = frozenset(
    {
        State.UNKNOWN,
        State.NOT_FOUND,
        State.EXPIRED,
        State.REQUESTED,
        State.REFUSED,
        State.ERASED,
        State.WITHHELD,
    }
)
# Something positive stands here, whatever it is worth.
EVIDENCE_STATES = frozenset(
    {
        State.RECORDED,
        State.COMPUTED,
        State.DECLARED,
        State.UPSTREAM_PUBLISHED,
        State.UPSTREAM_SUPPLIED,
    }
)


class LeafIncomplete(ValueError):
    """A leaf lacks what its state demands: a mistake in the code, found when it is made."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One statement. Use the functions of this module rather than the constructor."""

    value: Value
    state: State
    origin: Origin
    as_of: str
    reason: str | None = None
    evidence: tuple[Evidence, ...] = ()
    declared_by: Mapping[str, str] | None = None
    law: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The eight fields of a manifest's leaf."""
        return {
            "value": self.value,
            "state": self.state.value,
            "origin": self.origin.value,
            "reason": self.reason,
            "as_of": self.as_of,
            "evidence": [dict(item) for item in self.evidence],
            "declared_by": dict(self.declared_by) if self.declared_by else None,
            "law": list(self.law),
        }

    @property
    def is_gap(self) -> bool:
        """Whether the list of gaps names it."""
        return self.state in GAP_STATES


def moment(at: datetime | date | str) -> str:
    """A time as manifests write it: RFC 3339 in UTC with seconds, or a bare date."""
    if isinstance(at, str):
        return at
    if isinstance(at, datetime):
        return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return at.isoformat()


def _leaf(
    value: Value,
    state: State,
    origin: Origin,
    as_of: datetime | date | str,
    *,
    reason: str | None = None,
    evidence: Iterable[Evidence] = (),
    declared_by: Mapping[str, str] | None = None,
    law: Sequence[str] = (),
) -> Leaf:
    return Leaf(
        value, state, origin, moment(as_of), reason, tuple(evidence), declared_by, tuple(law)
    )


def _need(condition: object, what: str) -> None:
    if not condition:
        raise LeafIncomplete(what)


def recorded(
    value: Value,
    *,
    evidence: Sequence[Evidence],
    as_of: datetime,
    reason: str | None = None,
    law: Sequence[str] = (),
) -> Leaf:
    """Observed by this system; *evidence* names the records, or the row of settings, it is in."""
    _need(evidence, "What is recorded names its evidence.")
    _need(value not in (None, ""), "What is recorded has a value.")
    return _leaf(
        value, State.RECORDED, Origin.RECORDED, as_of, reason=reason, evidence=evidence, law=law
    )


def computed(
    value: Value,
    *,
    method: str,
    over: str,
    as_of: datetime,
    evidence: Sequence[Evidence] = (),
    reason: str | None = None,
    law: Sequence[str] = (),
) -> Leaf:
    """Derived from records by *method* (an id with a version), *over* a named range of input."""
    _need(method and over, "What is computed names its method and its input.")
    steps: list[Evidence] = [{"type": "computation", "method": method, "input": over}, *evidence]
    return _leaf(
        value, State.COMPUTED, Origin.COMPUTED, as_of, reason=reason, evidence=steps, law=law
    )


def declared(
    value: Value,
    *,
    name: str,
    role: str,
    at: datetime,
    expires_at: datetime,
    as_of: datetime,
    evidence: Sequence[Evidence] = (),
    law: Sequence[str] = (),
) -> Leaf:
    """Stated by a named person. Past its expiry the same statement counts as EXPIRED."""
    _need(name and role, "A declaration has a name and a role.")
    who = {"name": name, "role": role, "at": moment(at), "expires_at": moment(expires_at)}
    if expires_at <= as_of:
        reason = phrase("the declaration expired on %(day)s", day=expires_at.date())
        return _leaf(
            value,
            State.EXPIRED,
            Origin.DECLARED,
            as_of,
            reason=reason,
            evidence=evidence,
            declared_by=who,
            law=law,
        )
    return _leaf(
        value,
        State.DECLARED,
        Origin.DECLARED,
        as_of,
        evidence=evidence,
        declared_by=who,
        law=law,
    )


def published_upstream(
    value: Value,
    *,
    by: str,
    url: str,
    checked_on: date | str,
    grade: str,
    sha256: str | None = None,
    version: str | None = None,
    reason: str | None = None,
    law: Sequence[str] = (),
) -> Leaf:
    """Found in a document that an upstream provider published.

    *grade* P: the provider's own document was read. S: a secondary source reports it. Nothing
    else may be printed as fact. Without *sha256* the leaf says that no copy is held.
    """
    _need(by and url and checked_on, "What is published names its publisher, address and date.")
    _need(grade in ("P", "S"), "Only what was read (grade P or S) is stated as published.")
    document = {
        "type": "document",
        "publisher": by,
        "url": url,
        "retrieved_at": moment(checked_on),
        "grade": grade,
        "sha256": sha256 or "no copy held",
        "version": version or "not stated",
    }
    return _leaf(
        value,
        State.UPSTREAM_PUBLISHED,
        Origin.UPSTREAM,
        checked_on,
        reason=reason,
        evidence=[document],
        law=law,
    )


def supplied_upstream(
    value: Value,
    *,
    by: str,
    on: date,
    sha256: str,
    request_id: str,
    is_confidential: bool,
    as_of: datetime,
    version: str | None = None,
    law: Sequence[str] = (),
) -> Leaf:
    """Received on request, under contract or in confidence; the request's id says from whom."""
    _need(by and sha256, "What is supplied names who supplied it and the hash of the copy.")
    document = {
        "type": "document",
        "publisher": by,
        "url": "",
        "retrieved_at": moment(on),
        "grade": "P",
        "sha256": sha256,
        "version": version or "not stated",
        "request": request_id or "none entered",
        "confidential": is_confidential,
    }
    return _leaf(
        value,
        State.UPSTREAM_SUPPLIED,
        Origin.UPSTREAM,
        as_of,
        reason="supplied in confidence: named here, not quoted" if is_confidential else None,
        evidence=[document],
        law=law,
    )


def requested(
    *,
    addressee: str,
    on: date,
    remind_on: date | None,
    record_id: str,
    as_of: datetime,
    law: Sequence[str] = (),
) -> Leaf:
    """Asked, and no answer yet. *remind_on* is the day of the reminder, where one is set."""
    _need(addressee and record_id, "REQUESTED names its addressee and record.")
    if remind_on is None:
        reason = phrase("asked of %(addressee)s on %(day)s, no answer", addressee=addressee, day=on)
    else:
        reason = phrase(
            "asked of %(addressee)s on %(day)s, no answer; reminder on %(reminder)s",
            addressee=addressee,
            day=on,
            reminder=remind_on,
        )
    return _leaf(
        None,
        State.REQUESTED,
        Origin.UPSTREAM,
        as_of,
        reason=reason,
        evidence=[{"type": "record", "id": record_id, "kind": "upstream.requested"}],
        law=law,
    )


def refused(
    *,
    addressee: str,
    on: date,
    ground: str,
    record_id: str,
    as_of: datetime,
    law: Sequence[str] = (),
) -> Leaf:
    """Asked and declined, with the ground that was given."""
    _need(addressee and ground and record_id, "REFUSED names who declined, why, and its record.")
    reason = phrase(
        "declined by %(addressee)s on %(day)s: %(ground)s",
        addressee=addressee,
        day=on,
        ground=ground,
    )
    return _leaf(
        None,
        State.REFUSED,
        Origin.UPSTREAM,
        as_of,
        reason=reason,
        evidence=[{"type": "record", "id": record_id, "kind": "upstream.answered"}],
        law=law,
    )


def not_found(
    *, searched: str, on: date | str, law: Sequence[str] = (), reason: str | None = None
) -> Leaf:
    """Searched and not found; *searched* says where, so that somebody else can look too."""
    _need(searched and on, "What was not found says where and when it was looked for.")
    return _leaf(
        None,
        State.NOT_FOUND,
        Origin.UPSTREAM,
        on,
        reason=reason or phrase("searched: %(where)s", where=searched),
        evidence=[{"type": "search", "where": searched, "on": moment(on)}],
        law=law,
    )


def not_applicable(
    *, rule: str, reason: str, decided_by: str, as_of: datetime, law: Sequence[str] = ()
) -> Leaf:
    """A rule does not address this actor or system, because of *reason*; somebody decided so."""
    _need(rule and reason and decided_by, "NOT_APPLICABLE names its rule, reason and decider.")
    return _leaf(
        None,
        State.NOT_APPLICABLE,
        Origin.COMPUTED,
        as_of,
        reason=reason,
        evidence=[{"type": "rule", "rule": rule, "decided_by": decided_by}],
        law=law or (rule,),
    )


def not_yet_applicable(
    *, provision: str, applies_from: str, as_of: datetime, reason: str = ""
) -> Leaf:
    """A rule that applies later: *applies_from* is a date, or two for different annexes."""
    _need(provision and applies_from, "NOT_YET_APPLICABLE names its provision and date.")
    return _leaf(
        None,
        State.NOT_YET_APPLICABLE,
        Origin.COMPUTED,
        as_of,
        reason=reason or phrase("applies from %(when)s", when=applies_from),
        evidence=[{"type": "rule", "rule": provision, "applies_from": applies_from}],
        law=(provision,),
    )


def unknown(
    reason: str, *, as_of: datetime, origin: Origin = Origin.DECLARED, law: Sequence[str] = ()
) -> Leaf:
    """Nobody has answered; *reason* says who would have to."""
    _need(reason, "UNKNOWN has a reason.")
    return _leaf(None, State.UNKNOWN, origin, as_of, reason=reason, law=law)


def erased(
    *, ground: str, on: datetime, commitment: str, as_of: datetime, law: Sequence[str] = ()
) -> Leaf:
    """Content that was removed under data protection law; its commitment stays in the log."""
    _need(ground and commitment, "ERASED names its ground and the commitment that stays.")
    return _leaf(
        None,
        State.ERASED,
        Origin.RECORDED,
        as_of,
        reason=ground,
        evidence=[{"type": "erasure", "on": moment(on), "commitment": commitment}],
        law=law,
    )


def withheld(*, ground: str, visible_to: str, as_of: datetime, law: Sequence[str] = ()) -> Leaf:
    """Something exists and is not shown here; *visible_to* says who can see it."""
    _need(ground and visible_to, "WITHHELD names its ground and who can see the thing.")
    return _leaf(
        None,
        State.WITHHELD,
        Origin.DECLARED,
        as_of,
        reason=ground,
        evidence=[{"type": "access", "visible_to": visible_to}],
        law=law,
    )

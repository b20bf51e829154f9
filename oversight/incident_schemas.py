"""What goes in and out of the API of incidents."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from ninja import Schema
from pydantic import AwareDatetime, ConfigDict, Field, StringConstraints

from orgs.api_texts import LINE, PROSE
from orgs.tenancy import Tenant
from oversight.clocks import clock_of
from oversight.incidents import MOST_CHARACTERS, MOST_RECORDS, frozen_by, texts_of
from oversight.models import Incident

# Ten characters: nothing is entered or changed without a sentence.
Sentence = Annotated[
    str,
    StringConstraints(
        strip_whitespace=True, min_length=10, max_length=MOST_CHARACTERS, pattern=PROSE
    ),
]
Line = Annotated[str, StringConstraints(pattern=LINE)]
Category = Literal["", "health", "infrastructure", "rights", "property", "none"]
Severity = Literal["low", "medium", "high", "critical"]
CausalLink = Literal["", "excluded", "suspected", "reasonably_likely", "established"]
IncidentStatus = Literal[
    "open", "under_review", "initial_report_sent", "reported_to_authority", "resolved", "closed",
    "triaged_not_serious",
]  # fmt: skip
Country = Annotated[str, StringConstraints(max_length=2, pattern=r"^([A-Z]{2})?$")]
Persons = Annotated[int, Field(ge=0, le=2_147_483_647)]
RecordIds = Annotated[list[UUID], Field(max_length=MOST_RECORDS)]

_ASSESSED = frozenset(
    {
        *("category", "is_death", "is_widespread", "severity", "causal_link", "causal_link_at"),
        *("occurred_at", "aware_at", "country", "persons_affected", "system_id"),
    }
)
_CLEARABLE = frozenset({"causal_link_at", "occurred_at", "persons_affected", "system_id"})
_REASON = {"reason": "The ward said so after its review."}


class AssessedFields(Schema):
    """What is said of an incident."""

    model_config = ConfigDict(extra="forbid")

    category: Category | None = Field(
        None,
        description="What it led to, Art. 3(49); empty: not assessed, so the shortest window.",
    )
    is_death: bool | None = Field(None, description="Somebody died: 10 days, Art. 73(4).")
    is_widespread: bool | None = Field(
        None, description="A widespread infringement, Art. 3(61): 2 days, Art. 73(3)."
    )
    severity: Severity | None = None
    causal_link: CausalLink | None = Field(None, description="Empty: not assessed yet.")
    causal_link_at: AwareDatetime | None = Field(None, description="When that was judged.")
    occurred_at: AwareDatetime | None = None
    aware_at: AwareDatetime | None = Field(
        None, description="When the organisation learnt of it: the clock runs from then."
    )
    country: Country | None = Field(None, description="The Member State; two capital letters.")
    persons_affected: Persons | None = None
    system_id: UUID | None = Field(None, description="One of `GET /systems`.")

    def fields(self) -> dict[str, Any]:
        """Those that were sent: null clears what can be unknown, and leaves the others."""
        sent = self.model_dump(include=set(_ASSESSED), exclude_unset=True)
        return {k: v for k, v in sent.items() if v is not None or k in _CLEARABLE}


class IncidentIn(AssessedFields):
    """An incident to be entered. Who only chats says what happened, and how bad it is."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "description": "The answer named a wrong dose, and somebody followed it.",
                    "severity": "high",
                    "message_id": "0193b5a2-7b0c-7d6e-9f41-2f3a4b5c6d7e",
                }
            ]
        },
    )

    description: Sentence = Field(description="What happened.")
    message_id: UUID | None = Field(
        None, description="An answer of one's own: the records of it and its question are named."
    )
    record_ids: RecordIds = Field([], description="Records of the audit log, as evidence.")

    def fields(self) -> dict[str, Any]:
        """Those that were sent with a value: nothing has to be cleared yet."""
        return {name: value for name, value in super().fields().items() if value is not None}


class IncidentChange(AssessedFields):
    """An assessment: what is to be different, and why. What is not sent stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{**_REASON, "category": "health", "severity": "high"}]},
    )

    reason: Sentence


class StatusIn(Schema):
    """Where the work stands now. Reports make the moves that are not listed."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{**_REASON, "status": "resolved"}]}
    )

    status: Literal["under_review", "triaged_not_serious", "resolved", "closed"]
    reason: Sentence


class ReportIn(Schema):
    """A report that people sent to an authority."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "is_complete": False,
                    "sent_at": "2026-11-20T15:30:00Z",
                    "authority": "Bundesnetzagentur",
                    "statement": "Sent through their web form.",
                }
            ]
        },
    )

    is_complete: bool = Field(description="False: an initial, incomplete one, Art. 73(5).")
    sent_at: AwareDatetime
    authority: Annotated[Line, StringConstraints(min_length=1, max_length=200)]
    reference: Annotated[Line, StringConstraints(max_length=100)] = Field(
        "", description="The authority's own."
    )
    statement: Sentence = Field(description="What was reported, and how.")


class ProviderNoticeIn(Schema):
    """That the provider of the AI system was informed, Art. 26(5)."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"informed_at": "2026-11-20T15:30:00Z", "statement": "By mail to their hotline."}
            ]
        },
    )

    informed_at: AwareDatetime
    statement: Sentence = Field(description="Who was told what, and how.")


class FreezeIn(Schema):
    """Providers whose settings nobody changes until the authority is informed, Art. 73(6)."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{**_REASON, "provider_ids": []}]}
    )

    provider_ids: Annotated[list[UUID], Field(max_length=100)] = Field(
        description="Ids of provider settings: these and no others. Empty: the freeze is lifted."
    )
    reason: Sentence


class RecordsIn(Schema):
    """Further records of the audit log, as evidence."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{**_REASON, "record_ids": ["0193b5a2-7b0c-7d6e-9f41-2f3a4b5c6d7e"]}]
        },
    )

    record_ids: Annotated[list[UUID], Field(min_length=1, max_length=MOST_RECORDS)]
    reason: Sentence


class ClockOut(Schema):
    """The time to report it, by the shortest window that fits."""

    case: str
    law: str
    started_at: datetime
    ends_at: datetime
    stopped_at: datetime | None = Field(description="When it was reported, or ended.")
    state: Literal["running", "near", "over", "stopped"]
    is_late: bool


class IncidentOut(Schema):
    """An incident as it stands. Its id is that of its record `incident.opened`."""

    id: UUID
    status: IncidentStatus
    severity: Severity
    category: Category = Field(description="Empty: not assessed yet.")
    is_death: bool
    is_widespread: bool
    causal_link: CausalLink
    causal_link_at: datetime | None
    occurred_at: datetime | None
    aware_at: datetime
    country: str
    persons_affected: int | None
    system_id: UUID | None
    record_ids: list[UUID]
    provider_informed_at: datetime | None
    initial_report_at: datetime | None
    reported_at: datetime | None
    authority: str
    reference: str
    reporter: UUID
    reporter_name: str
    opened_at: datetime
    ended_at: datetime | None
    clock: ClockOut | None = Field(description="Null: there is nothing to report.")

    @staticmethod
    def of(row: Incident) -> dict[str, Any]:
        """The values for *row*."""
        computed = {"reporter", "reporter_name", "clock"}
        plain = {name: getattr(row, name) for name in IncidentOut.model_fields.keys() - computed}
        clock = clock_of(row)
        return {
            **plain,
            "reporter": row.reporter_id,
            "reporter_name": row.reporter.name,
            "clock": clock
            and {
                "case": clock.window.case,
                "law": clock.window.law,
                "started_at": clock.started_at,
                "ends_at": clock.ends_at,
                "stopped_at": clock.stopped_at,
                "state": clock.state,
                "is_late": clock.is_late,
            },
        }


class StepOut(Schema):
    """One step of an incident's history, and the record that tells it."""

    record_id: UUID
    kind: Literal["incident.opened", "incident.updated", "incident.reported", "incident.closed"]
    person: UUID
    person_name: str
    at: datetime
    text: str | None = Field(description="What was written; null where it was erased.")


class IncidentDetail(IncidentOut):
    """An incident with its history, the first step first."""

    frozen_providers: list[UUID] = Field(description="Ids of provider settings.")
    history: list[StepOut]

    @staticmethod
    def seen_by(tenant: Tenant, row: Incident) -> dict[str, Any]:
        """The values for *row*, for who handles incidents."""
        steps = list(row.events.select_related("person"))
        texts = texts_of(tenant, steps)
        return {
            **IncidentOut.of(row),
            "frozen_providers": frozen_by(tenant, row),
            "history": [
                {
                    "record_id": step.record_id,
                    "kind": step.kind,
                    "person": step.person_id,
                    "person_name": step.person.name,
                    "at": step.at,
                    "text": texts[step.record_id],
                }
                for step in steps
            ],
        }


class IncidentPage(Schema):
    """Incidents, newest first; ``next`` is the ``before`` of the next page."""

    items: list[IncidentOut]
    next: UUID | None


class IncidentQuery(Schema):
    """Which incidents, and from where on."""

    status: Literal["all", "unfinished", IncidentStatus] = Field(
        "all", description="`unfinished`: neither resolved, closed nor found not serious."
    )
    before: UUID | None = Field(None, description="The “next” of the page before.")

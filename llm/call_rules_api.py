"""The API of the organisation's rules for calls: screening, order, fallback, and how many."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import ConfigDict, Field

from llm.call_rules import FIELDS, LIMITS, change_rules, rules_of
from llm.models import CallRules
from llm.rules_models import MOST_REQUESTS_PER_MINUTE
from llm.screening import rules_version, statement
from orgs.api_auth import tenant_of_call
from orgs.roles import Permission

router = Router(tags=["rules for calls"])

Kind = Literal[
    "secret",
    "iban",
    "national_id",
    "payment_card",
    "email",
    "phone",
    "ip_address",
    "invisible_text",
    "injection",
]
PerMinute = Annotated[int, Field(ge=1, le=MOST_REQUESTS_PER_MINUTE)]


class CallRulesOut(Schema):
    """The rules that hold; the defaults where nobody has set any."""

    screening: CallRules.Screening = Field(
        description="What happens to a text in which something was found."
    )
    screening_by_kind: dict[Kind, CallRules.Screening] = Field(
        description="Kinds with a rule of their own; `screening` holds for the others."
    )
    pictures: CallRules.Pictures = Field(
        description="What happens to a message with a picture: nothing looks into pictures."
    )
    strategy: CallRules.Strategy
    chain: list[UUID] = Field(
        description="Provider settings in the order to try them where nothing else was asked for."
    )
    fallback: CallRules.Fallback
    requests_per_minute: int | None = Field(description="Null: no limit.")
    requests_per_minute_person: int | None
    requests_per_minute_key: int | None
    updated_at: datetime | None = Field(description="Null where the defaults hold.")
    screening_version: str = Field(description="Of the rules that texts are screened by.")
    screening_statement: str = Field(description="What screening does, and what it does not.")

    @staticmethod
    def of(rules: CallRules) -> dict[str, Any]:
        """The values for *rules*."""
        return {
            **{name: getattr(rules, name) for name in FIELDS},
            "updated_at": None if rules._state.adding else rules.updated_at,
            "screening_version": rules_version(),
            "screening_statement": statement(),
        }


class CallRulesChange(Schema):
    """The rules to change; what is not sent stays."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"screening": "mask", "screening_by_kind": {"secret": "block"}}]
        },
    )

    screening: CallRules.Screening | None = None
    screening_by_kind: dict[Kind, CallRules.Screening] | None = Field(
        None, description="Takes the place of all that were set before."
    )
    pictures: CallRules.Pictures | None = None
    strategy: CallRules.Strategy | None = None
    chain: Annotated[list[UUID], Field(max_length=100)] | None = None
    fallback: CallRules.Fallback | None = None
    requests_per_minute: PerMinute | None = Field(None, description="Null, if sent: no limit.")
    requests_per_minute_person: PerMinute | None = Field(None, description="Likewise.")
    requests_per_minute_key: PerMinute | None = Field(None, description="Likewise.")

    def fields(self) -> dict[str, Any]:
        """The fields that are to change, by name."""
        sent = self.model_dump(mode="python", exclude_unset=True)
        return {k: v for k, v in sent.items() if v is not None or k in LIMITS}


@router.get("", response=CallRulesOut, summary="Read the rules")
def read_rules(request: HttpRequest) -> Any:
    """The rules for calls that hold in the organisation."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.PROVIDER_READ)
    return CallRulesOut.of(rules_of(tenant.organisation_id))


@router.patch("", response=CallRulesOut, summary="Change the rules")
def change(request: HttpRequest, body: CallRulesChange) -> Any:
    """Change some rules; they hold from the next call on, and the change is in the log."""
    return CallRulesOut.of(change_rules(tenant_of_call(request), **body.fields()))

"""The API of usage, prices, estimates and budgets."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Field, Query, Router, Schema, Status

from llm import budgets, estimates, usage
from llm.models import Budget
from llm.schemas import MAX_MESSAGE
from orgs.api_auth import tenant_of_call
from orgs.days import today_in
from orgs.roles import Permission
from orgs.tenancy import Tenant

router = Router(tags=["usage"])


class UsagePeriod(Schema):
    """Which calls: those that began in these days."""

    since: date | None = Field(None, description="First day; by default thirty days ago.")
    until: date | None = Field(None, description="Last day, included; by default today.")


class UsageQuery(UsagePeriod):
    """Which calls, and by what they are added up."""

    group_by: str = Field(
        "day", max_length=100, description="Comma-separated: " + ", ".join(usage.GROUPS) + "."
    )


class UsageRowOut(Schema):
    """Calls of one group. `cost` is null where no price is known; amounts are decimal text."""

    groups: dict[str, str]
    calls: int
    completed: int
    input_tokens: int
    output_tokens: int
    estimated_calls: int = Field(description="Calls whose tokens are our own estimate.")
    unpriced_calls: int = Field(description="Calls for whose model no price is known.")
    cost: Decimal | None
    currency: str


class UsageTableOut(Schema):
    """A usage table."""

    since: date
    until: date
    group_by: list[str]
    rows: list[UsageRowOut]


class PriceOut(Schema):
    """The price of a model in a provider's list or contract, per million tokens."""

    provider: str
    model: str
    region: str
    input_per_million: Decimal | None
    output_per_million: Decimal | None
    currency: str
    source: str = Field(description="Where the price comes from, and of which day.")


class EstimateIn(Schema):
    """A question whose price is asked for before it is sent."""

    message: str = Field(min_length=1, max_length=MAX_MESSAGE)
    max_tokens: int = Field(budgets.DEFAULT_ANSWER_TOKENS, ge=1, le=1_000_000)
    provider_id: UUID | None = None
    model: str | None = Field(None, max_length=200)


class EstimateOut(Schema):
    """What a call would cost at most, estimated from its bytes."""

    provider: str
    model: str
    region: str
    input_tokens: int
    output_tokens: int
    cost: Decimal | None
    currency: str
    source: str


class BudgetIn(Schema):
    """A budget as it is to be."""

    scope: Literal["organisation", "user", "api_key"] = "organisation"
    user_id: UUID | None = None
    api_key_id: UUID | None = None
    period: Literal["day", "month"] = "month"
    limit: Decimal = Field(ge=0, max_digits=18, decimal_places=6)
    unit: Literal["USD", "EUR", "tokens"] = "USD"
    action: Literal["warn", "block", "local_only"] = "block"
    is_active: bool = True


class BudgetOut(BudgetIn):
    """A budget."""

    id: UUID


class StandingOut(Schema):
    """How much of a budget is used, reservations of running calls included."""

    budget: BudgetOut
    subject_id: UUID
    period_start: date
    used: Decimal
    left: Decimal


@router.get("/usage", response=UsageTableOut, summary="Usage and cost")
def usage_table(request: HttpRequest, query: Query[UsageQuery]) -> Any:
    """Calls, tokens and cost, added up from the calls themselves."""
    return _table(request, query)


@router.get(
    "/usage.csv",
    summary="Usage and cost as CSV",
    openapi_extra={
        "responses": {
            200: {
                "description": "The table (RFC 4180).",
                "content": {"text/csv": {"schema": {"type": "string"}}},
            }
        }
    },
)
def usage_csv(request: HttpRequest, query: Query[UsageQuery]) -> HttpResponse:
    """The same table for a spreadsheet."""
    table = _table(request, query)
    text = usage.as_csv(table["rows"], table["group_by"])
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    name = f"usage_{table['since']}_{table['until']}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@router.get("/pricing", response=list[PriceOut], summary="Prices")
def pricing(request: HttpRequest) -> Any:
    """The price of every model that the organisation offers, with source and date."""
    return estimates.price_list(tenant_of_call(request))


@router.post("/estimate", response=EstimateOut, summary="Estimate a call")
def estimate(request: HttpRequest, body: EstimateIn) -> Any:
    """What a question would cost at most. Nothing is sent."""
    return estimates.estimate(
        tenant_of_call(request),
        message=body.message,
        max_tokens=body.max_tokens,
        settings_id=body.provider_id,
        model=body.model,
    )


@router.get("/budgets", response=list[StandingOut], summary="Budgets and what is left")
def list_budgets(request: HttpRequest) -> Any:
    """Every active budget in its current period."""
    return budgets.standings(tenant_of_call(request))


@router.post("/budgets", response={201: BudgetOut}, summary="Create a budget")
def create_budget(request: HttpRequest, body: BudgetIn) -> Any:
    """Set a budget; it counts from now on."""
    return Status(201, budgets.save_budget(tenant_of_call(request), Budget(**body.model_dump())))


@router.put("/budgets/{uuid:budget_id}", response=BudgetOut, summary="Change a budget")
def change_budget(request: HttpRequest, budget_id: UUID, body: BudgetIn) -> Any:
    """Replace a budget's rules; what was counted stays."""
    budget = _budget(request, budget_id)
    for name, value in body.model_dump().items():
        setattr(budget, name, value)
    return budgets.save_budget(tenant_of_call(request), budget)


@router.delete("/budgets/{uuid:budget_id}", response={204: None}, summary="Delete a budget")
def delete_budget(request: HttpRequest, budget_id: UUID) -> Any:
    """Remove a budget."""
    budgets.delete_budget(tenant_of_call(request), _budget(request, budget_id))
    return Status(204, None)


def _budget(request: HttpRequest, budget_id: UUID) -> Budget:
    tenant = tenant_of_call(request)
    tenant.require(Permission.ORGANISATION_MANAGE)
    budget: Budget = get_object_or_404(Budget.objects.for_tenant(tenant), pk=budget_id)
    return budget


def _table(request: HttpRequest, query: UsageQuery) -> dict[str, Any]:
    tenant = tenant_of_call(request)
    since, until = period_of(tenant, query)
    groups = [name.strip() for name in query.group_by.split(",")]
    rows = usage.usage_table(tenant, since=since, until=until, group_by=groups)
    return {"since": since, "until": until, "group_by": groups, "rows": rows}


def period_of(tenant: Tenant, query: UsagePeriod) -> tuple[date, date]:
    """The first and the last day that are asked for, until today in the organisation's zone."""
    until = query.until or today_in(tenant.organisation.time_zone)
    try:
        return query.since or until - timedelta(days=30), until
    except OverflowError as error:
        raise ValidationError("There is no such day.") from error

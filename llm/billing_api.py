"""The API of billing: usage as a file, and the address that gets it every day."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from ninja import Query, Router, Schema, Status
from pydantic import ConfigDict, Field

from llm import billing, billing_delivery
from llm.billing_models import BillingDelivery, BillingWebhook
from llm.usage_api import UsagePeriod, period_of
from orgs.api_auth import tenant_of_call
from orgs.roles import Permission
from orgs.tenancy import Tenant

router = Router(tags=["billing"])

_Url = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]


class WebhookIn(Schema):
    """Where usage is to be reported."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"url": "https://billing.example.org/hooks/usage"}]},
    )

    url: _Url = Field(description="Public and https, unless the operator allows a network.")
    is_enabled: bool = True


class WebhookOut(Schema):
    """Where usage is reported."""

    url: str
    is_enabled: bool
    secret_changed_at: datetime | None
    created_at: datetime
    updated_at: datetime


class WebhookSaved(WebhookOut):
    """The same, with the secret where one was made."""

    secret: str = Field(description="Of a new webhook, shown only now; else empty.")


class SecretOut(Schema):
    """The new secret, shown only now."""

    secret: str = Field(description="`whsec_` and 32 bytes in base64 (Standard Webhooks).")


class DeliveryOut(Schema):
    """A report and how far it got."""

    id: UUID
    message_id: str = Field(description="The `webhook-id`, the same for every attempt.")
    kind: Literal["usage.day", "test"]
    day: date | None
    state: Literal["waiting", "delivered", "failed"]
    attempts: int
    last_problem: str
    created_at: datetime
    next_attempt_at: datetime | None = Field(description="Null where nothing is waiting.")
    delivered_at: datetime | None

    @staticmethod
    def resolve_next_attempt_at(row: BillingDelivery) -> datetime | None:
        """Only of what waits."""
        return row.next_attempt_at if row.state == BillingDelivery.State.WAITING else None


@router.get(
    "/usage.csv",
    summary="Usage for invoices as CSV",
    openapi_extra={
        "responses": {
            200: {
                "description": "A row for each day, provider, model, person and key (RFC 4180).",
                "content": {"text/csv": {"schema": {"type": "string"}}},
            }
        }
    },
)
def usage_csv(request: HttpRequest, query: Query[UsagePeriod]) -> HttpResponse:
    """Calls, tokens and cost by day, provider, model, person and key, which stand as ids."""
    tenant = tenant_of_call(request)
    since, until = period_of(tenant, query)
    text = billing.usage_as_csv(tenant, since=since, until=until)
    response = HttpResponse(text, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="billing_{since}_{until}.csv"'
    return response


@router.get("/webhook", response=WebhookOut, summary="Read the webhook")
def read_webhook(request: HttpRequest) -> Any:
    """Where usage is reported; 404 where nothing is set."""
    return _webhook(tenant_of_call(request))


@router.put("/webhook", response=WebhookSaved, summary="Set the webhook")
def set_webhook(request: HttpRequest, body: WebhookIn) -> Any:
    """From now on each day's usage goes there, signed as Standard Webhooks says."""
    row, secret = billing.save_webhook(
        tenant_of_call(request), url=body.url, is_enabled=body.is_enabled
    )
    fields = {name: getattr(row, name) for name in WebhookOut.model_fields}
    return fields | {"secret": secret}


@router.delete("/webhook", response={204: None}, summary="Delete the webhook")
def delete_webhook(request: HttpRequest) -> Any:
    """Nothing is reported any more."""
    tenant = tenant_of_call(request)
    _webhook(tenant)
    billing.remove_webhook(tenant)
    return Status(204, None)


@router.post("/webhook/secret", response=SecretOut, summary="Renew the secret")
def renew_secret(request: HttpRequest) -> Any:
    """Make a new secret; the next report is signed with it."""
    tenant = tenant_of_call(request)
    _webhook(tenant)
    return {"secret": billing.renew_secret(tenant)}


@router.post("/webhook/test", response=DeliveryOut, summary="Test the webhook")
def test_webhook(request: HttpRequest) -> Any:
    """Send a report without usage now, and say how that went; if it fails it is tried again."""
    tenant = tenant_of_call(request)
    _webhook(tenant)
    return billing_delivery.deliver_now(billing.report_test(tenant))


@router.get("/webhook/deliveries", response=list[DeliveryOut], summary="Reports")
def list_deliveries(request: HttpRequest) -> Any:
    """The newest reports and how far they got."""
    return billing.deliveries(tenant_of_call(request))


@router.post(
    "/webhook/deliveries/{uuid:delivery_id}/again",
    response={202: DeliveryOut},
    summary="Send again",
)
def send_again(request: HttpRequest, delivery_id: UUID) -> Any:
    """Put a report on its way once more, under the same id."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.ORGANISATION_MANAGE)
    row = get_object_or_404(BillingDelivery.objects.for_tenant(tenant), pk=delivery_id)
    return Status(202, billing.send_again(tenant, row.pk))


def _webhook(tenant: Tenant) -> BillingWebhook:
    row = billing.webhook_of(tenant)
    if row is None:
        raise Http404
    return row

"""The API of provider settings: where prompts may go, and what is declared about each place.

A key goes in and never comes out: answers say whether one is set, and how it ends.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema, Status
from ninja.errors import HttpError
from pydantic import ConfigDict, Field

from llm import provider_access, provider_settings, provider_survey
from llm.models import ProviderSettings
from llm.provider_default import make_default
from llm.provider_removal import StillNamed, remove
from llm.provider_survey import Answer
from llm.provider_trial import Trial, try_provider
from llm.rules_models import MOST_REQUESTS_PER_MINUTE
from orgs.api_auth import tenant_of_call
from orgs.api_texts import FILLED_LINE, LINE
from orgs.roles import Permission, Role

router = Router(tags=["provider settings"])

Line = Annotated[str, Field(max_length=200, pattern=LINE)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=FILLED_LINE)]
Vendor = Annotated[str, Field(min_length=1, max_length=40, pattern=FILLED_LINE)]
BaseUrl = Annotated[str, Field(max_length=500, pattern=LINE)]
Model = Annotated[str, Field(min_length=1, max_length=200, pattern=FILLED_LINE)]
Models = Annotated[list[Model], Field(max_length=200)]
Region = Annotated[str, Field(pattern=r"^(EU|US|self-hosted|unknown|[A-Z]{2})$")]
TrainingUse = Literal["unknown", "no", "yes"]
Small = Annotated[int, Field(ge=0, le=32767)]
Seconds = Annotated[int, Field(ge=1, le=32767)]
Key = Annotated[str, Field(max_length=16_384)]
PerMinute = Annotated[int, Field(ge=1, le=MOST_REQUESTS_PER_MINUTE)]
Roles = Annotated[list[Role], Field(max_length=10)]
People = Annotated[list[UUID], Field(max_length=provider_access.MOST_PEOPLE)]


class ProviderIn(Schema):
    """A provider to be added."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "name": "Mistral (Paris)",
                    "vendor": "mistral",
                    "default_model": "mistral-large-latest",
                    "data_region": "EU",
                    "key": "…",
                }
            ]
        },
    )

    name: Name = Field(description="Shown to people who chat.")
    vendor: Vendor = Field(description="Whose interface is spoken, for instance `mistral`.")
    default_model: Model
    key: Key = Field("", description="Stored encrypted and never shown again.")
    base_url: BaseUrl = Field("", description="Empty: the vendor's own address.")
    allowed_models: Models = Field([], description="Empty: only the default model.")
    data_region: Region = Field("unknown", description="Where it processes, by contract.")
    legal_entity: Line = ""
    transfer_mechanism: Line = Field("", description="The ground under GDPR Arts 44-49.")
    transfer_checked_on: date | None = None
    training_use: TrainingUse = "unknown"
    retention_at_provider: Line = ""
    priority: Small = Field(100, description="The lowest enabled one is the default.")
    timeout_seconds: Seconds = 60
    requests_per_minute: PerMinute | None = Field(None, description="Null: no limit of our own.")
    open_to_roles: Roles = Field(
        [], description="Who may use it. Empty, and no people named: everybody who may chat."
    )
    open_to_people: People = Field([], description="Ids of members, beside the roles.")
    restricted_models: Models = Field(
        [], description="Only these are restricted. Empty: the whole provider is."
    )
    options: dict[str, Any] = Field({}, description="For the vendor's adapter.")
    is_enabled: bool = True


class ProviderChange(Schema):
    """What is to be different. Absent and null fields stay as they are.

    A new vendor or base URL forgets the key.
    """

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"default_model": "mistral-small-latest"}]}
    )

    name: Name | None = None
    vendor: Vendor | None = None
    default_model: Model | None = None
    base_url: BaseUrl | None = None
    allowed_models: Models | None = None
    data_region: Region | None = None
    legal_entity: Line | None = None
    transfer_mechanism: Line | None = None
    transfer_checked_on: date | None = Field(None, description="Null, if sent: not checked.")
    training_use: TrainingUse | None = None
    retention_at_provider: Line | None = None
    priority: Small | None = None
    timeout_seconds: Seconds | None = None
    requests_per_minute: PerMinute | None = Field(None, description="Null, if sent: no limit.")
    open_to_roles: Roles | None = None
    open_to_people: People | None = None
    restricted_models: Models | None = None
    options: dict[str, Any] | None = None

    def fields(self) -> dict[str, Any]:
        """The fields that are to change, by name."""
        sent = self.model_dump(exclude_unset=True)
        clearable = ("transfer_checked_on", "requests_per_minute")
        return {k: v for k, v in sent.items() if v is not None or k in clearable}


class KeyOfProviderIn(Schema):
    """A new key."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"key": "…"}]})

    key: Key = Field(description="Empty: the key is forgotten.")


class ProviderSettingsOut(Schema):
    """A provider's settings, without the key."""

    id: UUID
    name: str
    vendor: str
    base_url: str
    default_model: str
    allowed_models: list[str]
    data_region: str = Field(description="As declared.")
    region: str = Field(description="As known of the address, else as declared.")
    legal_entity: str
    transfer_mechanism: str
    transfer_checked_on: date | None
    training_use: TrainingUse
    retention_at_provider: str
    priority: int
    timeout_seconds: int
    requests_per_minute: int | None
    open_to_roles: list[Role]
    open_to_people: list[UUID]
    restricted_models: list[str]
    options: dict[str, Any]
    is_enabled: bool
    has_key: bool
    key_hint: str = Field(description="The key's last four characters; empty for short ones.")
    key_changed_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def resolve_region(row: ProviderSettings) -> str:
        """What is known of the host first, what was declared second."""
        return provider_settings.region_of(row)

    @staticmethod
    def resolve_has_key(row: ProviderSettings) -> bool:
        """Whether one is set."""
        return bool(row.key)


class TrialOut(Schema):
    """What a test of a provider found."""

    passed: bool
    message: str = Field(description="The outcome in words.")
    region: str
    was_called: bool = Field(description="False where the region policy forbids it.")
    latency_ms: int | None
    models: list[str]
    answer: str = Field(description="The beginning of what the default model said, if asked.")

    @staticmethod
    def of(trial: Trial) -> dict[str, Any]:
        """The values for *trial*."""
        found = trial.found
        return {
            "passed": trial.passed,
            "message": trial.words,
            "region": trial.region,
            "was_called": found is not None,
            "latency_ms": found.health.latency_ms if found else None,
            "models": list(found.models) if found else [],
            "answer": trial.answer,
        }


class HealthOut(Schema):
    """How one provider is."""

    id: UUID
    name: str
    vendor: str
    region: str
    condition: Literal["well", "failed", "not_asked"]
    detail: str = Field(description="In words; why it was not asked, where it was not.")
    latency_ms: int | None

    @staticmethod
    def of(answer: Answer) -> dict[str, Any]:
        """The values for *answer*."""
        return {
            "id": answer.row.pk,
            "name": answer.row.name,
            "vendor": answer.row.vendor,
            "region": answer.region,
            "condition": answer.condition.value,
            "detail": answer.detail,
            "latency_ms": answer.latency_ms,
        }


class ListedModelOut(Schema):
    """A model that a provider lists."""

    id: str
    name: str
    snapshot: str = Field(description="The exact version or digest, where the provider says it.")
    context_tokens: int | None
    is_offered: bool = Field(description="Whether people of the organisation may choose it.")


class ModelsOut(HealthOut):
    """The models of one provider."""

    models: list[ListedModelOut]

    @staticmethod
    def of(answer: Answer) -> dict[str, Any]:
        """The values for *answer*."""
        offered = set(answer.row.models_offered)
        listed = [
            {
                "id": model.id,
                "name": model.name,
                "snapshot": model.snapshot,
                "context_tokens": model.context_tokens,
                "is_offered": model.id in offered,
            }
            for model in answer.models
        ]
        return HealthOut.of(answer) | {"models": listed}


@router.get("", response=list[ProviderSettingsOut], summary="List provider settings")
def list_settings(request: HttpRequest) -> Any:
    """Every provider of the organisation, those switched off included."""
    tenant = tenant_of_call(request)
    tenant.require(Permission.PROVIDER_READ)
    return ProviderSettings.objects.for_tenant(tenant)


@router.post("", response={201: ProviderSettingsOut}, summary="Add a provider")
def create_settings(request: HttpRequest, body: ProviderIn) -> Any:
    """Add a provider. It can be chosen at once where the region policy allows it."""
    row = provider_settings.create(tenant=tenant_of_call(request), **body.model_dump())
    return Status(201, row)


@router.get("/{uuid:settings_id}", response=ProviderSettingsOut, summary="Read one")
def read_settings(request: HttpRequest, settings_id: UUID) -> Any:
    """One provider's settings."""
    return _row(request, settings_id, Permission.PROVIDER_READ)


@router.patch("/{uuid:settings_id}", response=ProviderSettingsOut, summary="Change one")
def change_settings(request: HttpRequest, settings_id: UUID, body: ProviderChange) -> Any:
    """Change some fields; the names of those that differ are recorded."""
    row = _row(request, settings_id, Permission.PROVIDER_MANAGE)
    tenant = tenant_of_call(request)
    return provider_settings.change(tenant=tenant, settings_id=row.pk, **body.fields())


@router.put("/{uuid:settings_id}/key", response=ProviderSettingsOut, summary="Set the key")
def set_key(request: HttpRequest, settings_id: UUID, body: KeyOfProviderIn) -> Any:
    """Set, rotate or forget the key. The next call uses it."""
    row = _row(request, settings_id, Permission.PROVIDER_MANAGE)
    tenant = tenant_of_call(request)
    return provider_settings.set_key(tenant=tenant, settings_id=row.pk, key=body.key)


@router.post("/{uuid:settings_id}/enable", response=ProviderSettingsOut, summary="Switch on")
def enable(request: HttpRequest, settings_id: UUID) -> Any:
    """Allow calls to this provider again."""
    row = _row(request, settings_id, Permission.PROVIDER_MANAGE)
    return provider_settings.enable(tenant=tenant_of_call(request), settings_id=row.pk)


@router.post("/{uuid:settings_id}/disable", response=ProviderSettingsOut, summary="Switch off")
def disable(request: HttpRequest, settings_id: UUID) -> Any:
    """The kill switch: no further call goes to this provider."""
    row = _row(request, settings_id, Permission.PROVIDER_MANAGE)
    return provider_settings.disable(tenant=tenant_of_call(request), settings_id=row.pk)


@router.post("/{uuid:settings_id}/test", response=TrialOut, summary="Test")
def test(request: HttpRequest, settings_id: UUID) -> Any:
    """Whether it answers, with which models, and where; and one word from its default model.

    The word is a call like any other, recorded and counted. A provider that is switched off is
    asked for none, and nothing at all goes to a region that the organisation's policy forbids.
    """
    row = _row(request, settings_id, Permission.PROVIDER_MANAGE)
    return TrialOut.of(try_provider(tenant_of_call(request), row))


@router.post("/{uuid:settings_id}/default", response=ProviderSettingsOut, summary="Make default")
def set_default(request: HttpRequest, settings_id: UUID) -> Any:
    """From now on this provider answers where nobody chooses one."""
    row = _row(request, settings_id, Permission.PROVIDER_MANAGE)
    return make_default(tenant=tenant_of_call(request), settings_id=row.pk)


@router.delete("/{uuid:settings_id}", response={204: None}, summary="Delete one")
def delete_settings(request: HttpRequest, settings_id: UUID) -> Any:
    """Take a provider and its key away. Refused (409) once calls went to it: switch it off."""
    row = _row(request, settings_id, Permission.PROVIDER_MANAGE)
    try:
        remove(tenant=tenant_of_call(request), settings_id=row.pk)
    except StillNamed as error:
        raise HttpError(409, str(error)) from error
    return Status(204, None)


@router.get("/health", response=list[HealthOut], summary="Health of all")
def health_of_all(request: HttpRequest) -> Any:
    """How every provider is, asked at once. No prompt is sent."""
    return [HealthOut.of(answer) for answer in provider_survey.health(tenant_of_call(request))]


@router.get("/{uuid:settings_id}/health", response=HealthOut, summary="Health of one")
def health_of_one(request: HttpRequest, settings_id: UUID) -> Any:
    """How one provider is. No prompt is sent."""
    row = _row(request, settings_id, Permission.PROVIDER_READ)
    return HealthOut.of(provider_survey.health(tenant_of_call(request), row.pk)[0])


@router.get("/models", response=list[ModelsOut], summary="Models of all")
def models_of_all(request: HttpRequest) -> Any:
    """The models that each provider lists now, and which of them people may choose."""
    return [ModelsOut.of(answer) for answer in provider_survey.models(tenant_of_call(request))]


@router.get("/{uuid:settings_id}/models", response=ModelsOut, summary="Models of one")
def models_of_one(request: HttpRequest, settings_id: UUID) -> Any:
    """The models that one provider lists now."""
    row = _row(request, settings_id, Permission.PROVIDER_READ)
    return ModelsOut.of(provider_survey.models(tenant_of_call(request), row.pk)[0])


def _row(request: HttpRequest, settings_id: UUID, permission: Permission) -> ProviderSettings:
    tenant = tenant_of_call(request)
    tenant.require(permission)
    rows = ProviderSettings.objects.for_tenant(tenant)
    row: ProviderSettings = get_object_or_404(rows, pk=settings_id)
    return row

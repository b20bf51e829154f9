"""Where this floor keeps what the vault sealed, for the rotation of keys."""

from __future__ import annotations

from llm.billing import secret_place
from llm.billing_models import BillingWebhook
from llm.models import Conversation, ProviderSettings
from llm.provider_settings import key_place
from llm.titles import title_place
from orgs.key_rotation import SealedColumn

SEALED_COLUMNS = (
    SealedColumn(ProviderSettings, "key", key_place),
    SealedColumn(BillingWebhook, "secret", secret_place),
    SealedColumn(Conversation, "sealed_title", lambda row: title_place(row.pk)),
)

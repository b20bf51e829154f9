"""What one person asks for and another decides: the row that is decided, and who may not."""

from __future__ import annotations

from typing import TypeVar

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from audit.content_models import Disclosure, ErasureRequest
from orgs.tenancy import Tenant

_Request = TypeVar("_Request", Disclosure, ErasureRequest)


def locked_for_decision(tenant: Tenant, request: _Request) -> _Request:
    """The row of *request*, locked until the transaction ends, for *tenant* to decide.

    Raises ``ValidationError`` where the same person asked, or somebody has decided already.
    """
    model = type(request)
    row: _Request = model.objects.for_tenant(tenant).select_for_update().get(pk=request.pk)
    if row.requested_by_id == tenant.user.pk:
        raise ValidationError(_("Somebody else decides about what you asked for."))
    if row.state != model.State.REQUESTED:
        raise ValidationError(_("This has been decided already."))
    return row

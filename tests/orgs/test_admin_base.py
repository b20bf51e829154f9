"""What every page of the admin is built on keeps the wall by itself."""

from __future__ import annotations

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.http import Http404, HttpRequest
from django.test import RequestFactory

from orgs.models import ApiKey, Membership, Organisation, User
from orgs.tenancy import Tenant
from orgs.tenant_admin import DomainModelAdmin, TenantModelAdmin, related_rows
from tests.cast import Cast


class Undeclared(TenantModelAdmin):
    """Somebody forgot to say what it needs."""


def request_of(tenant: Tenant | None) -> HttpRequest:
    request = RequestFactory().get("/")
    request.tenant = tenant  # type: ignore[attr-defined]
    return request


def test_what_declares_no_permission_is_refused_to_everybody(cast: Cast) -> None:
    page = Undeclared(Membership, admin.site)
    for tenant in (cast.alice, cast.olivia, None):
        request = request_of(tenant)
        assert not page.has_module_permission(request)
        assert not page.has_view_permission(request)
        assert not page.has_add_permission(request)
        assert not page.has_change_permission(request)
        assert not page.has_delete_permission(request)


def test_rows_and_choices_are_those_of_the_tenant(cast: Cast) -> None:
    """P4."""
    page = Undeclared(Membership, admin.site)
    assert page.get_queryset(request_of(cast.charlie)).get().user == cast.charlie.user
    assert not page.get_queryset(request_of(None)).exists()
    assert list(related_rows(Organisation, cast.charlie)) == [cast.other_organisation]
    assert list(related_rows(User, cast.charlie)) == [cast.charlie.user]
    assert related_rows(Membership, cast.charlie).get().user == cast.charlie.user
    for model in (ContentType, Organisation, User, ApiKey):
        assert not related_rows(model, None).exists()
    assert not related_rows(ContentType, cast.charlie).exists()


def test_a_row_that_was_passed_in_from_elsewhere_is_refused(cast: Cast) -> None:
    page = admin.site.get_model_admin(Membership)
    ours = Membership.objects.for_tenant(cast.alice).get(user=cast.max.user)
    theirs = Membership.objects.for_tenant(cast.charlie).get()
    request = request_of(cast.alice)
    assert page.has_change_permission(request, ours)
    assert not page.has_change_permission(request, theirs)
    with pytest.raises(Http404):
        page.get_object(request, str(theirs.pk))


def test_writing_without_saying_how_fails_loudly(cast: Cast) -> None:
    page = Undeclared(Membership, admin.site)
    request = request_of(cast.alice)
    row = Membership.objects.for_tenant(cast.alice).get(user=cast.max.user)
    for write in (
        lambda: page.perform_create(request, {}),
        lambda: page.perform_change(request, row, {}),
        lambda: page.delete_model(request, row),
    ):
        with pytest.raises(NotImplementedError, match="Undeclared"):
            write()


def test_pages_of_libraries_are_not_taken_in(cast: Cast) -> None:
    admin.site.register(Group, admin.ModelAdmin)
    assert not admin.site.is_registered(Group)
    assert all(isinstance(page, DomainModelAdmin) for page in admin.site._registry.values())

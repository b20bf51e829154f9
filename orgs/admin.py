"""The admin of organisations, members, API keys and people."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_POST

from orgs import keys, members, people
from orgs.admin_forms import (
    FoundingForm,
    KeyForm,
    MemberForm,
    NewMemberForm,
    NewPersonForm,
    OrganisationForm,
    PersonForm,
)
from orgs.admin_lists import badge, time_column
from orgs.models import ApiKey, Membership, Organisation, User
from orgs.organisations import change_organisation
from orgs.roles import Permission, Role
from orgs.tenant_admin import (
    DomainModelAdmin,
    TenantModelAdmin,
    required_tenant,
    tenant_of_request,
)

_CREATED = time_column("created_at", _("created"))
_SINCE = time_column("created_at", _("since"))
_USED = time_column("last_used_at", _("last used"))
_EXPIRES = time_column("expires_at", _("expires"))
_REVOKED = time_column("revoked_at", _("revoked"))
_LAST_LOGIN = time_column("last_login", _("last sign-in"))


def _operator(request: HttpRequest) -> User:
    user = request.user
    if not isinstance(user, User) or not user.is_superuser or not user.is_active:
        raise PermissionDenied("This is for the operator of the instance.")
    return user


def _is_operator(request: HttpRequest) -> bool:
    return request.user.is_active and getattr(request.user, "is_superuser", False)


@admin.register(Organisation)
class OrganisationAdmin(DomainModelAdmin):
    """One's own organisation; for the operator also the list of all, by name alone."""

    list_display = ["name", "slug", "country", time_column("created_at", _("created"))]
    search_fields = ["name", "slug"]
    search_help_text = _("Name or short name")
    ordering = ["name"]
    fieldsets = [
        (None, {"fields": ["name", "slug"]}),
        (
            _("As printed in dossiers"),
            {"fields": ["legal_name", "register_number", "country", "language", "time_zone"]},
        ),
        (
            _("Where prompts may be processed"),
            {"fields": ["regions", "further_countries"]},
        ),
        (_("What people are told (Art. 50)"), {"fields": ["notice"]}),
    ]
    founding_fieldsets = [
        (None, {"fields": ["name", "slug"]}),
        (_("First administrator"), {"fields": ["administrator_email", "administrator_name"]}),
    ]

    def _is_own(self, request: HttpRequest, row: Organisation | None) -> bool:
        tenant = tenant_of_request(request)
        return (
            tenant is not None
            and tenant.may(Permission.ORGANISATION_MANAGE)
            and (row is None or row.pk == tenant.organisation_id)
        )

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One's own with the right to manage it; every name for the operator."""
        return self._is_own(request, obj) or _is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only one's own: the operator is not part of what happens inside."""
        return self._is_own(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The operator's work."""
        return _is_operator(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: an audit log does not go away."""
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether these pages are offered."""
        return self.has_view_permission(request)

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """All for the operator, else one's own."""
        rows = super().get_queryset(request)
        if _is_operator(request):
            return rows
        return rows.filter(pk=required_tenant(request).organisation_id)

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Straight to one's own organisation, where there is nothing to choose from."""
        tenant = tenant_of_request(request)
        if tenant is not None and not _is_operator(request) and self._is_own(request, None):
            return redirect("admin:orgs_organisation_change", tenant.organisation_id)
        return super().changelist_view(request, extra_context)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form of one's own organisation, or the founding of a new one."""
        kwargs["form"] = OrganisationForm if change else FoundingForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Everything of one's own organisation, only names of another."""
        if obj is None:
            return self.founding_fieldsets
        if self._is_own(request, obj):
            return self.fieldsets
        return [(None, {"fields": ["name", "slug", _CREATED]})]

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Found an organisation with its first administrator."""
        return people.found_organisation(request, **values)

    def perform_change(
        self, request: HttpRequest, row: models.Model, values: dict[str, Any]
    ) -> None:
        """Change one's own organisation."""
        values = {name: value for name, value in values.items() if name != "further_countries"}
        regions = values.pop("regions")
        change_organisation(required_tenant(request), allowed_regions=regions, **values)


@admin.register(Membership)
class MembershipAdmin(TenantModelAdmin):
    """Who belongs to the organisation, and in which role."""

    permissions = {
        "view": Permission.MEMBER_READ,
        "add": Permission.MEMBER_MANAGE,
        "change": Permission.MEMBER_MANAGE,
        "delete": Permission.MEMBER_MANAGE,
    }
    list_intro = _(
        "Who belongs to the organisation and what they may do here. Every change is recorded."
    )
    list_display = ["person", "email", "role", "can_sign_in", _SINCE]
    list_filter = ["role"]
    list_select_related = ["user"]
    search_fields = ["user__name", "user__email"]
    search_help_text = _("Name or e-mail address")
    ordering = ["user__name"]
    change_form_template = "admin/orgs/membership/change_form.html"

    @admin.display(description=_("name"), ordering="user__name")
    def person(self, row: Membership) -> str:
        """The person's name."""
        return row.user.name

    @admin.display(description=_("e-mail address"), ordering="user__email")
    def email(self, row: Membership) -> str:
        """The person's address."""
        return row.user.email

    @admin.display(description=_("sign-in"))
    def can_sign_in(self, row: Membership) -> str:
        """Whether the person can come in."""
        if not row.user.is_active:
            return badge("bad", _("locked"))
        if row.user.has_usable_password():
            return badge("good", _("ready"))
        return badge("warn", _("no password set yet"))

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Address, name and role of somebody new; the role of somebody known."""
        kwargs["form"] = MemberForm if change else NewMemberForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """As the forms."""
        return (
            ["person", "email", "role", "can_sign_in", _SINCE] if obj else ["email", "name", "role"]
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A person's name and address are theirs, not this organisation's to change."""
        return ["person", "email", "can_sign_in", _SINCE] if obj else []

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Invite a person."""
        membership = people.invite_member(
            request,
            required_tenant(request),
            email=values["email"],
            name=values["name"],
            role=Role(values["role"]),
        )
        note = _("A mail with the way in goes to %(email)s.") % {"email": membership.user.email}
        messages.info(request, note)
        return membership

    def perform_change(
        self, request: HttpRequest, row: models.Model, values: dict[str, Any]
    ) -> None:
        """Change the role."""
        actor = required_tenant(request).actor
        members.change_role(cast(Membership, row), Role(values["role"]), actor=actor)

    def perform_delete(self, request: HttpRequest, row: models.Model) -> None:
        """Take the role away."""
        members.remove_member(cast(Membership, row), actor=required_tenant(request).actor)

    def get_urls(self) -> list[Any]:
        """Also an address for sending the invitation again."""
        again = self.admin_site.admin_view(require_POST(self.invite_again))
        name = "orgs_membership_invite_again"
        return [path("<path:object_id>/invite/", again, name=name), *super().get_urls()]

    def invite_again(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Mail the way in once more."""
        membership = self.get_object(request, object_id)
        if not self.has_change_permission(request, membership):
            raise PermissionDenied
        assert isinstance(membership, Membership)
        people.send_invitation(request, membership.user, membership.organisation)
        note = _("A mail with the way in was sent to %(email)s.")
        messages.success(request, note % {"email": membership.user.email})
        return redirect("admin:orgs_membership_change", membership.pk)


class KeyStateFilter(admin.SimpleListFilter):
    """Usable keys, or those that have ended."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The two states."""
        return [("usable", _("not revoked")), ("revoked", _("revoked"))]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        """The keys in the chosen state."""
        if self.value() is None:
            return queryset
        return queryset.filter(revoked_at__isnull=self.value() == "usable")


@admin.register(ApiKey)
class ApiKeyAdmin(TenantModelAdmin):
    """Keys of programs. The key itself is shown once, on the page that made it."""

    permissions = {"view": Permission.KEY_MANAGE, "add": Permission.KEY_MANAGE}
    form = KeyForm
    list_intro = _(
        "Keys for programs. A key may do no more than its owner, and is shown only once."
    )
    list_display = ["name", "shown_prefix", "owner", "shown_state", _USED, _EXPIRES]
    list_filter = [KeyStateFilter, "owner"]
    list_select_related = ["owner"]
    search_fields = ["name", "prefix"]
    search_help_text = _("Name or the part after lxc_")
    change_form_template = "admin/orgs/apikey/change_form.html"

    @admin.display(description=_("key"), ordering="prefix")
    def shown_prefix(self, row: ApiKey) -> str:
        """What may be shown of a key."""
        return f"{keys.MARK}{row.prefix}_…"

    @admin.display(description=_("state"))
    def shown_state(self, row: ApiKey) -> Any:
        """In one word, whether the key opens anything."""
        if row.revoked_at is not None:
            return badge("", _("revoked"))
        return badge("good", _("usable")) if row.is_usable else badge("warn", _("expired"))

    @admin.display(description=_("owner"))
    def shown_owner(self, row: ApiKey) -> str:
        """Whose key it is."""
        return row.owner.name

    @admin.display(description=_("scopes"))
    def shown_scopes(self, row: ApiKey) -> str:
        """The scopes in words."""
        return ", ".join(str(Permission(scope).label) for scope in row.scopes)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What is asked of a new key, and what is known of an old one."""
        if obj is None:
            return ["name", "scopes", "expires_at"]
        times = [_CREATED, _USED, _EXPIRES, _REVOKED]
        return ["name", "shown_prefix", "shown_state", "shown_owner", "shown_scopes", *times]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A key is never changed."""
        return self.get_fields(request, obj) if obj else []

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Make a key of one's own."""
        key, text = keys.create_key(required_tenant(request), **values)
        request.new_key = text  # type: ignore[attr-defined]
        return key

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The one page that shows the key."""
        return self.show_once(
            request,
            request.new_key,  # type: ignore[attr-defined]
            title=_("Copy the key now"),
            said=_("It is shown this once. Only its hash is kept, so nobody can show it again."),
            name=obj.name,
        )

    def get_urls(self) -> list[Any]:
        """Also an address for revoking."""
        revoke = self.admin_site.admin_view(require_POST(self.revoke))
        name = "orgs_apikey_revoke"
        return [path("<path:object_id>/revoke/", revoke, name=name), *super().get_urls()]

    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """End a key at once."""
        key = self.get_object(request, object_id)
        assert isinstance(key, ApiKey)
        keys.revoke_key(required_tenant(request), key)
        messages.success(request, _("The key “%(key)s” is revoked.") % {"key": key})
        return HttpResponseRedirect(reverse("admin:orgs_apikey_changelist"))


@admin.register(User)
class PersonAdmin(DomainModelAdmin):
    """People as the instance knows them: the operator's page."""

    list_display = ["name", "email", "shown_state", _LAST_LOGIN]
    list_filter = ["is_active"]
    search_fields = ["name", "email"]
    search_help_text = _("Name or e-mail address")
    ordering = ["name"]

    @admin.display(description=_("state"))
    def shown_state(self, row: User) -> str:
        """Locked or not, and whether they operate the instance."""
        if not row.is_active:
            return badge("bad", _("locked"))
        return badge("good", _("operator")) if row.is_superuser else badge("", _("active"))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The operator."""
        return _is_operator(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The operator."""
        return _is_operator(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The operator."""
        return _is_operator(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody: records name people, so a person is locked, not deleted."""
        return False

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The operator."""
        return _is_operator(request)

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Somebody new gets a way in; somebody known keeps theirs."""
        kwargs["form"] = PersonForm if change else NewPersonForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """As the forms."""
        if obj is None:
            return ["email", "name", "way_in"]
        return ["name", "email", "is_active", "is_superuser", _LAST_LOGIN, _CREATED]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """What happened by itself."""
        return [_LAST_LOGIN, _CREATED] if obj else []

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Make a person, with the way in that was chosen."""
        by_password = values.pop("way_in") == "password"
        user, password = people.create_person(**values, initial_password=by_password)
        if not by_password:
            people.send_invitation(request, user, None)
        request.new_password = password  # type: ignore[attr-defined]
        return user

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """The one page that shows an initial password; after a mail, the usual answer."""
        password = request.new_password  # type: ignore[attr-defined]
        if not password:
            return super().response_add(request, obj, post_url_continue)
        return self.show_once(
            request,
            password,
            title=_("Hand over the initial password now"),
            said=_("It is shown this once. Ask the person to change it after the first sign-in."),
            name=str(obj),
        )

    def perform_change(
        self, request: HttpRequest, row: models.Model, values: dict[str, Any]
    ) -> None:
        """Change, lock or unlock a person."""
        actor = {"id": str(_operator(request).pk), "type": "user"}
        people.change_person(cast(User, row), actor=actor, **values)

"""The admin classes that everything in the admin is built on.

:class:`DomainModelAdmin` never writes a row itself: it collects a form's values and calls the
function of the domain that does it, so that rights are checked and the change is recorded in one
place, whoever asks. :class:`TenantModelAdmin` adds the wall between organisations (promise P4).
Django's own history of the admin is switched off: evidence is what stands in the audit log.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

from django import forms
from django.contrib import admin
from django.contrib.admin import RelatedOnlyFieldListFilter
from django.contrib.admin.widgets import RelatedFieldWidgetWrapper
from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied, ValidationError
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.functional import Promise
from django.utils.text import capfirst

from orgs.models import Organisation, User
from orgs.roles import Permission
from orgs.tenancy import Tenant, TenantModel

if TYPE_CHECKING:
    _ModelAdmin = admin.ModelAdmin[Any]
    _ModelForm = forms.ModelForm[Any]
else:
    _ModelAdmin = admin.ModelAdmin
    _ModelForm = forms.ModelForm

Words = str | Promise
_REFUSAL = "_admin_refusal"
# What Django's own filters ask for; none of these reaches beyond the field itself.
_FILTER_LOOKUPS = ("exact", "in", "isnull", "gte", "lt", "id__exact")


def tenant_of_request(request: HttpRequest) -> Tenant | None:
    """The tenant of a page of the admin; None for an operator who is no member anywhere."""
    tenant: Tenant | None = request.tenant  # type: ignore[attr-defined]
    return tenant or None


def required_tenant(request: HttpRequest) -> Tenant:
    """The tenant of a page that makes no sense without one; refuses where there is none."""
    tenant = tenant_of_request(request)
    if tenant is None:
        raise PermissionDenied("You are not a member of any organisation.")
    return tenant


class DomainForm(_ModelForm):
    """A form that can also show what the domain refused after the fields themselves were fine."""

    refusal: ClassVar[ValidationError | None] = None

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.refusal is not None:
            # What is said of a field that nobody sees stands above the form.
            seen = {field.name for field in self.visible_fields()}
            for field, messages in errors_by_field(self.refusal).items():
                self.add_error(field if field in seen else None, messages)


class DomainModelAdmin(_ModelAdmin):
    """A model whose rows are written by functions of the domain.

    A subclass says how, by the hooks :meth:`perform_create`, :meth:`perform_change` and
    :meth:`perform_delete`. A ``ValidationError`` that a hook raises is shown on the form.
    """

    form = DomainForm
    # The browser's own pickers: labelled, in the person's language, without scripts.
    formfield_overrides = {
        models.DateField: {"widget": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")},
        models.DateTimeField: {
            "form_class": forms.DateTimeField,
            "widget": forms.DateTimeInput(
                attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"
            ),
        },
    }
    list_per_page = 50
    show_full_result_count = False
    view_on_site = False
    list_title: Words = ""
    """The list's name, where it is not simply the plural of what it lists."""
    list_intro: Words = ""
    """One or two sentences above the list: what these rows are and what can be done with them."""

    def show_once(
        self,
        request: HttpRequest,
        text: str,
        *,
        title: Words,
        said: Words,
        name: Words,
        leads_to: str = "",
        list_title: Words = "",
    ) -> HttpResponse:
        """The one page that shows a secret: no redirect, so that it rests in no cookie.

        It leads on to this list, or to the one of the address *leads_to*.
        """
        own = f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "said": said,
            "name": name,
            "text": text,
            "leads_to": leads_to or own,
            "list_title": list_title or self.list_title or capfirst(self.opts.verbose_name_plural),
        }
        return TemplateResponse(request, "admin/shown_once.html", context)

    # -- What subclasses implement ---------------------------------------------------------------

    def perform_create(self, request: HttpRequest, values: dict[str, Any]) -> models.Model:
        """Make a row from a form's cleaned *values* and return it."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a row is made.")

    def perform_change(
        self, request: HttpRequest, row: models.Model, values: dict[str, Any]
    ) -> None:
        """Change *row*, as it stands in the database, to a form's cleaned *values*."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a row is changed.")

    def perform_delete(self, request: HttpRequest, row: models.Model) -> None:
        """Remove *row*."""
        raise NotImplementedError(f"{type(self).__name__} does not say how a row is removed.")

    def row_title(self, row: Any) -> str:
        """What the page of a row is called."""
        return str(row)

    # -- Django's hooks, led to those above ------------------------------------------------------

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Call the domain instead of writing."""
        if change:
            row = self.get_queryset(request).get(pk=obj.pk)
            self.perform_change(request, row, form.cleaned_data)
        else:
            vars(obj).update(vars(self.perform_create(request, form.cleaned_data)))

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Nothing: what the domain's function did is all there is to do."""

    def delete_model(self, request: HttpRequest, obj: models.Model) -> None:
        """Call the domain instead of deleting."""
        self.perform_delete(request, obj)

    def delete_queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> None:
        """Call the domain for each row."""
        for row in queryset:
            self.perform_delete(request, row)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the form once more where the domain refuses, with what was typed still in it."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except ValidationError as refusal:
            setattr(request, _REFUSAL, refusal)
            return super().changeform_view(request, object_id, form_url, extra_context)

    def delete_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Say on the confirmation page why the domain refuses."""
        try:
            return super().delete_view(request, object_id, extra_context)
        except ValidationError as refusal:
            self.message_user(request, " ".join(refusal.messages), "ERROR")
            return redirect(request.get_full_path())

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """The form, which also carries what the domain refused a moment ago."""
        form = super().get_form(request, obj, change, **kwargs)
        refusal = getattr(request, _REFUSAL, None)
        return type(form.__name__, (form,), {"refusal": refusal}) if refusal else form

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> models.Model:
        """The row, or 404: Django's own answer would send people on to the start page."""
        row: models.Model | None = super().get_object(request, object_id, from_field)
        if row is None:
            raise Http404
        return row

    def get_actions(self, request: HttpRequest) -> Any:
        """Without “delete selected”: rows are removed one by one, with their consequences shown."""
        actions = super().get_actions(request)
        actions.pop("delete_selected", None)
        return actions

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The list under the name of what it lists, with a word on what that is."""
        title = self.list_title or capfirst(self.opts.verbose_name_plural)
        context = {"title": title, "intro": self.list_intro, **(extra_context or {})}
        return super().changelist_view(request, context)

    def render_change_form(
        self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """One button that saves, and the row's own name as the title."""
        context |= {"show_save_and_add_another": False, "show_save_and_continue": False}
        row = context.get("original")
        if row is not None:
            context |= {"title": self.row_title(row), "subtitle": None}
        return super().render_change_form(request, context, *args, **kwargs)

    # -- No second history beside the audit log --------------------------------------------------

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> None:  # type: ignore[override]
        """Nothing: the audit log has it."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> None:  # type: ignore[override]
        """Nothing: the audit log has it."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> None:  # type: ignore[override]
        """Nothing: the audit log has it."""

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """There is none."""
        raise Http404


class TenantModelAdmin(DomainModelAdmin):
    """A model whose rows belong to one organisation, shown to that organisation alone.

    ``permissions`` says what each act needs: ``{"view": Permission.MEMBER_READ, "add": …,
    "change": …, "delete": …}``. An act that it does not name is refused to everybody, operators
    included. List filters by relation offer only what occurs in the organisation.
    """

    permissions: ClassVar[Mapping[str, Permission]] = {}

    # -- Rights ----------------------------------------------------------------------------------

    def _may(self, request: HttpRequest, act: str, row: models.Model | None = None) -> bool:
        tenant, permission = tenant_of_request(request), self.permissions.get(act)
        if tenant is None or permission is None or not tenant.may(permission):
            return False
        return row is None or self._organisation_id(row) in (None, tenant.organisation_id)

    def _organisation_id(self, row: models.Model) -> Any:
        path = getattr(row, "organisation_path", "organisation_id")
        value: Any = row
        for name in path.split("__"):
            value = getattr(value, name, None)
        return value

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the tenant may see rows, or this row."""
        return self._may(request, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether the tenant may make rows."""
        return self._may(request, "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the tenant may change rows, or this row."""
        return self._may(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whether the tenant may remove rows, or this row."""
        return self._may(request, "delete", obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whether the tenant sees that these pages exist."""
        return any(self._may(request, act) for act in self.permissions)

    # -- Rows ------------------------------------------------------------------------------------

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        """The rows of the tenant's organisation; none without a tenant."""
        tenant = tenant_of_request(request)
        if tenant is None:
            return cast("models.QuerySet[Any]", self.model._base_manager.none())
        rows: models.QuerySet[Any] = self.model.objects.for_tenant(tenant)
        ordering = self.get_ordering(request)
        return rows.order_by(*ordering) if ordering else rows

    def get_field_queryset(
        self, db: str | None, db_field: Any, request: HttpRequest
    ) -> models.QuerySet[Any]:
        """The rows that a form offers for a relation: of the tenant's organisation only."""
        return related_rows(db_field.remote_field.model, tenant_of_request(request))

    def save_form(self, request: HttpRequest, form: Any, change: bool) -> Any:
        """The form's row, which belongs to the tenant's organisation from the start."""
        row = super().save_form(request, form, change)
        if not change and hasattr(row, "organisation_id"):
            row.organisation = required_tenant(request).organisation
        return row

    def get_list_filter(self, request: HttpRequest) -> Any:
        """The filters; those by relation offer only rows that occur in this very list."""
        return [
            (name, RelatedOnlyFieldListFilter) if self._is_relation(name) else name
            for name in super().get_list_filter(request)
        ]

    def _is_relation(self, name: Any) -> bool:
        return isinstance(name, str) and self.model._meta.get_field(name).is_relation

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the filters offer: a query string must not probe columns nobody shows."""
        allowed = {f"{self.date_hierarchy}__{part}" for part in ("year", "month", "day")}
        for item in self.get_list_filter(request):
            name = item[0] if isinstance(item, tuple) else item
            if isinstance(name, str):
                allowed |= {name, *(f"{name}__{ending}" for ending in _FILTER_LOOKUPS)}
            else:
                allowed |= {name.parameter_name, *getattr(name, "further_parameters", ())}
        return lookup in allowed


def related_rows(model: type[models.Model], tenant: Tenant | None) -> models.QuerySet[Any]:
    """The rows of *model* that a form or filter of *tenant* may offer.

    A model that does not say to whom its rows belong offers nothing.
    """
    if tenant is not None:
        if issubclass(model, TenantModel):
            return model.objects.for_tenant(tenant)
        if issubclass(model, User):
            return User.objects.filter(memberships__organisation_id=tenant.organisation_id)
        if issubclass(model, Organisation):
            return Organisation.objects.filter(pk=tenant.organisation_id)
    return model._base_manager.none()


def plain_choice(field: forms.Field | None) -> None:
    """Take the buttons from a relation's field by which Django would make and change rows."""
    if field is not None and isinstance(field.widget, RelatedFieldWidgetWrapper):
        field.widget = field.widget.widget


def errors_by_field(error: ValidationError) -> dict[str, list[ValidationError]]:
    """What *error* says, by the fields that it names."""
    if hasattr(error, "error_dict"):
        return dict(error.error_dict)
    return {NON_FIELD_ERRORS: error.error_list}

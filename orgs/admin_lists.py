"""What the admin's long lists share: bounded counts, filters by period and by recent values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.contrib import admin
from django.contrib.admin.views.main import PAGE_VAR, ChangeList
from django.core.paginator import Paginator
from django.db import models
from django.db.models.functions import Cast
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orgs.tenant_admin import TenantModelAdmin

COUNTED_AT_MOST = 10_000
_END = re.compile("[0-9a-f]{12}")


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than 10,000 rows: a log of millions opens as fast as a small one."""

    @cached_property
    def count(self) -> int:
        """The number of rows, 10,000 where there are more."""
        rows: Any = self.object_list
        return int(rows.order_by()[:COUNTED_AT_MOST].count())

    @property
    def is_cut(self) -> bool:
        """Whether there may be more rows than were counted."""
        return self.count == COUNTED_AT_MOST


class IdentifiedModelAdmin(TenantModelAdmin):
    """A long list, searched by an identifier: whole, or by the end of it that the chat shows."""

    identifier_fields: ClassVar[tuple[str, ...]] = ("pk",)
    search_fields = ("pk",)
    search_help_text = gettext_lazy("An identifier, such as a record's")
    sortable_by = ()
    paginator = BoundedPaginator
    actions = None

    def get_search_results(
        self, request: HttpRequest, queryset: models.QuerySet[Any], search_term: str
    ) -> tuple[models.QuerySet[Any], bool]:
        """The rows that carry the identifier; none, and a word on why, where it is none."""
        term = search_term.strip().lstrip("…").lower()
        if not term:
            return queryset, False
        wanted = models.Q()
        if _END.fullmatch(term):
            newest = queryset.order_by("-pk").values("pk")[:COUNTED_AT_MOST]
            queryset = queryset.filter(pk__in=newest)
            for field in self.identifier_fields:
                queryset = queryset.alias(**{f"{field}_text": Cast(field, models.TextField())})
                wanted |= models.Q(**{f"{field}_text__endswith": term})
            return queryset.filter(wanted), False
        try:
            identifier = UUID(term)
        except ValueError:
            said = _("“%(term)s” is no identifier: 36 characters, or the last 12 of them.")
            self.message_user(request, said % {"term": search_term[:60]}, "WARNING")
            return queryset.none(), False
        for field in self.identifier_fields:
            wanted |= models.Q(**{field: identifier})
        return queryset.filter(wanted), False


class PeriodFilter(admin.SimpleListFilter):
    """Rows between two days, both included, in the organisation's time zone."""

    title = gettext_lazy("period")
    template = "admin/filter_dates.html"
    parameter_name = "from"
    parameter_to = "to"
    further_parameters = ("to",)
    field: ClassVar[str]

    def __init__(
        self, request: HttpRequest, params: dict[str, Any], model: Any, model_admin: Any
    ) -> None:
        self.value_to = _as_day(params.pop(self.parameter_to, [""]))
        super().__init__(request, params, model, model_admin)
        self.value_from = _as_day([self.value() or ""])
        mine = (self.parameter_name, self.parameter_to, PAGE_VAR)
        self.other_parameters = [
            (name, value)
            for name, values in request.GET.lists()
            for value in values
            if name not in mine
        ]

    def has_output(self) -> bool:
        """Always: any list has a beginning."""
        return True

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """None: the choices are made of days."""
        return []

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        """The rows of the period."""
        if self.value_from:
            queryset = queryset.filter(**{f"{self.field}__gte": _midnight(self.value_from)})
        if self.value_to:
            after = date.fromisoformat(self.value_to) + timedelta(days=1)
            queryset = queryset.filter(**{f"{self.field}__lt": _midnight(after.isoformat())})
        return queryset

    def choices(self, changelist: ChangeList) -> Iterator[dict[str, Any]]:  # type: ignore[override]
        """Any time, today, a week, a month."""
        today = timezone.localdate()
        spans = [(_("Today"), 0), (_("7 days"), 6), (_("30 days"), 29)]
        yield {
            "selected": not self.value_from and not self.value_to,
            "query_string": changelist.get_query_string(
                remove=[self.parameter_name, self.parameter_to]
            ),
            "display": _("Any time"),
        }
        for name, days in spans:
            first = (today - timedelta(days=days)).isoformat()
            yield {
                "selected": self.value_from == first and not self.value_to,
                "query_string": changelist.get_query_string(
                    {self.parameter_name: first}, remove=[self.parameter_to]
                ),
                "display": name,
            }


def period_filter(field_name: str) -> type[PeriodFilter]:
    """A filter by the days of one field."""
    return type("PeriodFilterOf", (PeriodFilter,), {"field": field_name})


class RecentValuesFilter(admin.SimpleListFilter):
    """The values that a column had in the organisation's newest rows.

    Looking at the newest 10,000 rows alone keeps the page fast; an older value can still be asked
    for in the address.
    """

    field: ClassVar[str]
    newest_first: ClassVar[str]

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The values, in alphabetical order."""
        rows = model_admin.get_queryset(request)
        newest = rows.order_by(self.newest_first).values("pk")[:COUNTED_AT_MOST]
        found = rows.filter(pk__in=newest).order_by().values_list(self.field, flat=True).distinct()
        return [(value, value) for value in sorted(found) if value]

    def queryset(
        self, request: HttpRequest, queryset: models.QuerySet[Any]
    ) -> models.QuerySet[Any]:
        """The rows with the chosen value."""
        return queryset.filter(**{self.field: self.value()}) if self.value() else queryset


def recent_values_filter(field_name: str, *, title: Any, newest_first: str) -> Any:
    """A filter by the recent values of one column."""
    attributes = {
        "field": field_name,
        "title": title,
        "parameter_name": field_name,
        "newest_first": newest_first,
    }
    return type("RecentValuesOf", (RecentValuesFilter,), attributes)


def time_column(field_name: str, description: Any) -> Any:
    """A column or read-only field that shows a time to the second, in a form that sorts."""

    @admin.display(description=description, ordering=field_name, empty_value="")
    def shown(row: models.Model) -> str:
        return shown_time(getattr(row, field_name))

    return shown


def name_column(field_name: str, description: Any) -> Any:
    """A column or read-only field that names a related row.

    Django would link to the row's own page, to which few readers have the right.
    """

    @admin.display(description=description, ordering=field_name, empty_value="—")
    def shown(row: models.Model) -> str | None:
        related = getattr(row, field_name)
        return None if related is None else str(related)

    return shown


def shown_time(value: datetime | None) -> str:
    """A time in the organisation's zone, machine-readable with its offset."""
    if value is None:
        return "—"
    local = timezone.localtime(value)
    words = f"{local:%Y-%m-%d %H:%M:%S}"
    return format_html('<time datetime="{}">{}</time>', local.isoformat(), words)


def badge(tone: str, words: Any) -> str:
    """A word with a tone: ``good``, ``warn``, ``bad`` or none. The word alone says it all."""
    return format_html('<span class="badge {}">{}</span>', tone, words)


def _as_day(values: list[str]) -> str:
    """The day as the address gave it, empty where it is none that has a day before and after."""
    try:
        day = date.fromisoformat(values[-1])
    except (ValueError, IndexError):
        return ""
    return day.isoformat() if date.min < day < date.max else ""


def _midnight(day: str) -> datetime:
    return timezone.make_aware(datetime.combine(date.fromisoformat(day), time.min))

"""A list of conversations under headings that people think in: today, yesterday, a month."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta, tzinfo
from itertools import groupby
from typing import NamedTuple

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from llm.conversations import Listed


class Group(NamedTuple):
    """Conversations under one heading, newest first."""

    name: str
    conversations: Sequence[Listed]


def grouped_by_date(conversations: Iterable[Listed], zone: tzinfo) -> list[Group]:
    """*conversations* (newest first) under headings; days begin at midnight in *zone*."""
    today = timezone.now().astimezone(zone).date()

    def heading(conversation: Listed) -> str:
        return _heading(conversation.updated_at.astimezone(zone).date(), today)

    return [Group(name, list(items)) for name, items in groupby(conversations, heading)]


def _heading(day: date, today: date) -> str:
    if day >= today:
        return _("Today")
    if day == today - timedelta(days=1):
        return _("Yesterday")
    if day > today - timedelta(days=7):
        return _("Last 7 days")
    if day > today - timedelta(days=30):
        return _("Last 30 days")
    return date_format(day, "F Y")

"""Whoever follows the links of the admin arrives, and no address makes it fail."""

from __future__ import annotations

import re
from collections import Counter, deque
from datetime import date
from html import unescape
from urllib.parse import urljoin, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from dossier.links import create_link
from dossier.models import Kind
from dossier.scheduling import request_dossier
from tests.admin_pages import address, furnish, signed_in, tenant_pages
from tests.cast import Cast

_LINK = re.compile(r'<a [^>]*href="([^"#]+)')
_NUMBERS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")
_OF_ONE_FORM = 2
_ELSEWHERE = re.compile(r"/(?:static|accounts|chat)/|logout|/api/v1/docs")


def followed(client: Client) -> Counter[str]:
    """Every address that links of the admin lead to, two of each form; says what came back."""
    waiting, seen = deque([reverse("admin:index")]), set()
    forms: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    while waiting:
        place = waiting.popleft()
        form = _NUMBERS.sub("#", urlsplit(place).path)
        if place in seen or forms[form] == _OF_ONE_FORM or _ELSEWHERE.search(place):
            continue
        seen.add(place)
        forms[form] += 1
        response = client.get(place)
        answers[f"{response.status_code} {form}"] += 1
        if response.status_code == 200 and not response.streaming:
            links = _LINK.findall(response.content.decode(errors="replace"))
            waiting += [urljoin(place, unescape(link)) for link in links if link[0] in "/?."]
        elif response.status_code == 302:
            waiting.append(urljoin(place, response.headers["Location"]))
    return answers


@pytest.mark.parametrize("who", ["alice", "olivia", "audrey"])
def test_every_link_that_a_person_sees_leads_somewhere(cast: Cast, who: str) -> None:
    furnish(cast)
    period = {"first": date(2026, 10, 1), "last": date(2026, 10, 31)}
    dossier = request_dossier(cast.olivia, kind=Kind.ART53, **period)
    create_link(cast.olivia, name="the auditor", dossier=dossier)
    answers = followed(signed_in(getattr(cast, who).user))
    assert len(answers) > 20
    assert [answer for answer in answers if answer[0] not in "23"] == []


def test_a_filter_by_what_no_text_can_hold_is_refused(cast: Cast) -> None:
    alice = signed_in(cast.alice.user)
    for page in tenant_pages():
        place = address(page, "changelist")
        for name in (*(str(name) for name in page.list_filter), "q", "who", "from", "kind"):
            assert alice.get(f"{place}?{name}=%00").status_code in {400, 403, 404}, (place, name)

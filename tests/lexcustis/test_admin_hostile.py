"""Names are hostile text: the admin shows them as they are and runs none of them."""

from __future__ import annotations

import secrets

import pytest
from django.urls import reverse

from orgs.models import Organisation, User
from tests.admin_pages import address, furnish, signed_in, tenant_pages
from tests.cast import Cast

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "{{ request.user.password }}{% debug %}",
    "</textarea><script>alert(1)</script>",
    "\u202egnp.exe\u202c",
]


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_names_are_shown_as_text(cast: Cast, words: str) -> None:
    things = furnish(cast, name=f"{words}{secrets.token_hex(2)}")
    User.objects.filter(pk__in=[cast.max.user.pk, cast.alice.user.pk]).update(name=words)
    Organisation.objects.filter(pk=cast.organisation.pk).update(
        name=words, legal_name=words, notice=words, pause_reason=words
    )
    alice = signed_in(cast.alice.user)
    own = [page for page in tenant_pages() if cast.alice.may(page.permissions["view"])]
    places = [address(page, "changelist") for page in own]
    places += [
        reverse("admin:index"),
        reverse("admin:orgs_organisation_change", args=[cast.organisation.pk]),
        reverse("admin:orgs_membership_change", args=[things.member.pk]),
        reverse("admin:orgs_membership_delete", args=[things.member.pk]),
        reverse("admin:orgs_apikey_change", args=[things.key.pk]),
        reverse("admin:llm_providersettings_change", args=[things.provider.pk]),
        reverse("admin:llm_inference_change", args=[things.inference.pk]),
        reverse("admin:audit_recordindex_change", args=[things.record.record_id]),
        reverse("admin:audit_recordindex_changelist") + f"?q={words}&kind={words}&from={words}",
    ]
    olivia = signed_in(cast.olivia.user)
    olivia.post(reverse("admin:oversight_review_take", args=[things.review.pk]))
    others = [address(page, "changelist") for page in tenant_pages() if page not in own]
    others += [
        reverse("admin:index"),
        reverse("admin:oversight_review_change", args=[things.review.pk]),
        reverse("admin:oversight_incident_change", args=[things.incident.pk]),
        reverse("admin:oversight_incident_add") + f"?record={words}",
        reverse("admin:oversight_task_change", args=[things.task.pk]),
    ]
    for client, place in [*((alice, place) for place in places), *((olivia, p) for p in others)]:
        page = client.get(place)
        assert page.status_code in (200, 302), place
        text = page.content.decode()
        if "<" in words:
            assert words not in text, place
        assert cast.alice.user.password not in text, place

"""Usage for billing in the admin: the secret is seen once, a test is sent, a report sent again."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from llm import billing
from llm.models import BillingDelivery, BillingWebhook
from tests.admin_pages import signed_in
from tests.cast import Cast
from tests.llm.receiver import Receiver

pytestmark = pytest.mark.usefixtures("on_loopback")

LIST = "admin:llm_billingdelivery_changelist"


def listed(client: Client) -> str:
    answer = client.get(reverse(LIST))
    assert answer.status_code == 200
    return answer.content.decode()


def added(client: Client, url: str) -> str:
    """Set an address as a person does; the secret that the page shows."""
    answer = client.post(reverse("admin:llm_billingwebhook_add"), {"url": url, "is_enabled": "on"})
    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    secret: str = answer.context["text"]
    assert secret in answer.content.decode()
    return secret


def test_an_address_is_set_tested_changed_and_removed(
    cast: Cast, alice: Client, receiver: Receiver
) -> None:
    assert "No address is set" in listed(alice)
    secret = added(alice, receiver.url)
    for client in (alice, signed_in(cast.olivia.user)):
        assert receiver.url in listed(client)
        assert secret not in listed(client)
    tried = alice.post(reverse("admin:llm_billing_test"), follow=True)
    assert "It was taken." in tried.content.decode()
    assert len(receiver.messages(secret)) == 1
    row = BillingWebhook.objects.for_tenant(cast.alice).get()
    renewed = alice.post(reverse("admin:llm_billingwebhook_renew", args=[row.pk]))
    assert renewed.context["text"] not in ("", secret)
    change = reverse("admin:llm_billingwebhook_change", args=[row.pk])
    assert secret not in alice.get(change).content.decode()
    assert alice.get(reverse("admin:llm_billingwebhook_add")).url == change
    assert alice.post(change, {"url": receiver.url}, follow=True).status_code == 200
    assert "switched off" in listed(alice)
    delete = reverse("admin:llm_billingwebhook_delete", args=[row.pk])
    assert "reports" in alice.get(delete).content.decode()
    assert alice.post(delete, {"post": "yes"}).status_code == 302
    assert not BillingDelivery.objects.for_tenant(cast.alice).exists()


def test_what_was_not_taken_is_shown_and_sent_again(
    cast: Cast, alice: Client, receiver: Receiver
) -> None:
    secret = added(alice, receiver.url)
    receiver.statuses = [503, 200]
    tried = alice.post(reverse("admin:llm_billing_test"), follow=True).content.decode()
    assert "It was not taken" in tried
    assert "503" in tried
    report = BillingDelivery.objects.for_tenant(cast.alice).get()
    page = reverse("admin:llm_billingdelivery_change", args=[report.pk])
    text = alice.get(page).content.decode()
    assert report.message_id in text
    assert "waiting" in text
    again = reverse("admin:llm_billingdelivery_again", args=[report.pk])
    assert "It was taken." in alice.post(again, follow=True).content.decode()
    assert list(receiver.messages(secret)) == [report.message_id]
    assert "delivered" in listed(alice)


def test_a_wrong_address_is_said_beside_its_field(alice: Client, settings: Any) -> None:
    settings.PROVIDER_ALLOWED_NETWORKS = []
    answer = alice.post(
        reverse("admin:llm_billingwebhook_add"), {"url": "https://10.0.0.1/x", "is_enabled": "on"}
    )
    assert list(answer.context["adminform"].form.errors) == ["url"]


def test_strangers_and_readers_reach_none_of_it(cast: Cast, receiver: Receiver) -> None:
    """P4, and the rights of those who do not manage the organisation."""
    row, _secret = billing.save_webhook(cast.alice, url=receiver.url)
    report = billing.report_test(cast.alice)
    acts = [
        ("admin:llm_billingdelivery_again", report.pk),
        ("admin:llm_billingwebhook_renew", row.pk),
        ("admin:llm_billingwebhook_delete", row.pk),
    ]
    charlie, rita = signed_in(cast.charlie.user), signed_in(cast.rita.user)
    for name, pk in acts:
        assert charlie.post(reverse(name, args=[pk]), {"post": "yes"}).status_code == 404, name
        assert rita.post(reverse(name, args=[pk]), {"post": "yes"}).status_code == 403, name
    assert receiver.url not in listed(charlie)
    assert rita.get(reverse(LIST)).status_code == 403
    assert rita.post(reverse("admin:llm_billing_test")).status_code == 403
    assert receiver.arrived == []

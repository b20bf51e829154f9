"""Usage for billing: signed, sent until it is taken, each day once, and never to a wrong place."""

from __future__ import annotations

import csv
import io
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx2
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from audit.models import RecordIndex
from llm import billing, billing_delivery, tasks, usage
from llm.billing_models import BillingDelivery, BillingWebhook
from llm.sealed_columns import SEALED_COLUMNS
from orgs import vault
from orgs.keys import create_key
from orgs.roles import Permission
from orgs.tenancy import PermissionRefused
from tests.admin_pages import call
from tests.cast import Cast
from tests.live import signed_in, with_key
from tests.llm.receiver import Receiver, WrongSignature, verified

pytestmark = pytest.mark.usefixtures("on_loopback")

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
YESTERDAY = date(2026, 3, 9)


def webhook(cast: Cast, receiver: Receiver, *, since: datetime | None = None) -> str:
    """A webhook of Alice's organisation; its secret."""
    _row, secret = billing.save_webhook(cast.alice, url=receiver.url)
    if since is not None:
        BillingWebhook.objects.for_tenant(cast.alice).update(created_at=since)
    return secret


def reports(cast: Cast) -> list[BillingDelivery]:
    return list(BillingDelivery.objects.for_tenant(cast.alice).order_by("created_at"))


def hurry(cast: Cast) -> None:
    """What waits is due now."""
    waiting = BillingDelivery.objects.for_tenant(cast.alice).filter(state="waiting")
    waiting.update(next_attempt_at=timezone.now() - timedelta(seconds=1))


def test_a_day_arrives_once_signed_and_adds_up(cast: Cast, receiver: Receiver) -> None:
    key, _text = create_key(cast.olivia, name="script", scopes=[Permission.CHAT])
    at = datetime(2026, 3, 9, 15, tzinfo=UTC)
    money = {"cost": Decimal("0.25"), "currency": "USD"}
    call(cast.max, started_at=at, **money)
    call(cast.max, started_at=at, **money)
    call(cast.olivia, started_at=at, api_key=key, state="stopped", **money)
    call(cast.max, started_at=at - timedelta(days=1), **money)  # the day before
    call(cast.charlie, started_at=at, **money)  # somebody else's
    secret = webhook(cast, receiver, since=at)
    for _ in range(3):
        billing.enter_due(NOON)
        billing_delivery.deliver_due()
    (message,) = receiver.messages(secret).values()
    assert len(receiver.arrived) == 1
    data = message["data"]
    assert (message["type"], data["day"]) == ("usage.day", "2026-03-09")
    assert data["organisation"] == str(cast.organisation.pk)
    assert {(row["user"], row["api_key"]): row["calls"] for row in data["rows"]} == {
        (str(cast.max.user.pk), ""): 2,
        (str(cast.olivia.user.pk), str(key.pk)): 1,
    }
    assert sum(Decimal(row["cost"]) for row in data["rows"]) == Decimal("0.75")
    assert cast.max.user.email not in receiver.arrived[0][1].decode()
    (report,) = reports(cast)
    assert (report.state, report.attempts, report.day) == ("delivered", 1, YESTERDAY)


def test_the_receivers_own_check_refuses_what_was_changed(cast: Cast, receiver: Receiver) -> None:
    secret = webhook(cast, receiver)
    billing_delivery.deliver_now(billing.report_test(cast.alice))
    headers, body = receiver.arrived[0]
    now = time.time()
    assert verified(secret, headers, body, now=now)["type"] == "test"
    for changed in (
        lambda: verified(secret, headers, body + b" ", now=now),
        lambda: verified(secret, headers | {"webhook-id": "msg_other"}, body, now=now),
        lambda: verified(secret, headers | {"webhook-timestamp": str(int(now) - 7)}, body, now=now),
        lambda: verified(secret, headers, body, now=now + 3600),
        lambda: verified("whsec_" + "A" * 43 + "=", headers, body, now=now),
    ):
        with pytest.raises(WrongSignature):
            changed()


def test_what_is_not_taken_is_tried_again_under_the_same_id(cast: Cast, receiver: Receiver) -> None:
    receiver.statuses = [500, 302, 200]
    secret = webhook(cast, receiver)
    report = billing_delivery.deliver_now(billing.report_test(cast.alice))
    assert (report.state, report.attempts) == ("waiting", 1)
    assert "500" in report.last_problem
    pauses = []
    for _ in range(2):
        report.refresh_from_db()
        pauses.append((report.next_attempt_at - timezone.now()).total_seconds())
        hurry(cast)
        billing_delivery.deliver_due()
    report.refresh_from_db()
    assert 0 < pauses[0] <= billing_delivery.PAUSES_SECONDS[0] < 60 < pauses[1]
    assert (report.state, report.attempts, report.last_problem) == ("delivered", 3, "")
    assert len(receiver.arrived) == 3
    assert list(receiver.messages(secret)) == [report.message_id]
    bodies = {body for _headers, body in receiver.arrived}
    assert len(bodies) == 1


def test_a_redirect_is_not_followed(cast: Cast, receiver: Receiver) -> None:
    with Receiver() as elsewhere:
        receiver.statuses, receiver.headers = [307], {"location": elsewhere.url}
        webhook(cast, receiver)
        report = billing_delivery.deliver_now(billing.report_test(cast.alice))
        assert elsewhere.arrived == []
    assert report.state == "waiting"


def test_it_gives_up_in_the_end_and_a_person_sends_it_again(cast: Cast, receiver: Receiver) -> None:
    receiver.statuses = [503]
    webhook(cast, receiver)
    report = billing.report_test(cast.alice)
    for _ in range(len(billing_delivery.PAUSES_SECONDS) + 3):
        hurry(cast)
        billing_delivery.deliver_due()
    report.refresh_from_db()
    tries = len(billing_delivery.PAUSES_SECONDS) + 1
    assert (report.state, report.attempts, len(receiver.arrived)) == ("failed", tries, tries)
    receiver.statuses = [200]
    billing.send_again(cast.alice, report.pk)
    billing_delivery.deliver_due()
    report.refresh_from_db()
    assert report.state == "delivered"
    assert {headers["webhook-id"] for headers, _body in receiver.arrived} == {report.message_id}


def test_a_receiver_that_is_gone_for_good_is_believed(cast: Cast, receiver: Receiver) -> None:
    receiver.statuses = [410]
    webhook(cast, receiver)
    assert billing_delivery.deliver_now(billing.report_test(cast.alice)).state == "failed"


def test_a_sender_that_died_is_followed_by_another(cast: Cast, receiver: Receiver) -> None:
    webhook(cast, receiver)
    report = billing.report_test(cast.alice)
    claimed = billing_delivery._claimed(billing_delivery.Q(pk=report.pk))
    assert claimed is not None
    billing_delivery.deliver_due()
    assert receiver.arrived == []  # somebody has it
    hurry(cast)  # the lease has run out
    billing_delivery.deliver_due()
    report.refresh_from_db()
    assert (report.state, report.attempts) == ("delivered", 2)


def test_a_sender_that_has_just_started_opens_the_secret_itself(
    cast: Cast, receiver: Receiver
) -> None:
    secret = webhook(cast, receiver)
    report = billing.report_test(cast.alice)
    vault.forget_keys()
    assert billing_delivery.deliver_due() == 1
    assert list(receiver.messages(secret)) == [report.message_id]


def test_senders_at_once_send_each_report_once(cast: Cast, receiver: Receiver) -> None:
    receiver.pause = 0.05
    secret = webhook(cast, receiver)
    made = [billing.report_test(cast.alice) for _ in range(billing.MOST_TESTS_WAITING)]

    def send(_number: int) -> None:
        try:
            billing_delivery.deliver_due()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, range(4)))
    assert len(receiver.arrived) == len(made)
    assert set(receiver.messages(secret)) == {report.message_id for report in made}
    assert billing.report_test(cast.alice)


def test_clocks_at_once_enter_a_day_once(cast: Cast, receiver: Receiver) -> None:
    webhook(cast, receiver, since=NOON - timedelta(days=4))

    def enter(_number: int) -> None:
        try:
            billing.enter_due(NOON)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(enter, range(4)))
    days = [report.day for report in reports(cast)]
    assert sorted(days) == [YESTERDAY - timedelta(days=back) for back in (3, 2, 1, 0)]


def test_days_missed_are_made_up_for_but_not_for_ever(cast: Cast, receiver: Receiver) -> None:
    webhook(cast, receiver, since=NOON - timedelta(days=90))
    billing.enter_due(NOON)
    assert len(reports(cast)) == billing.MOST_DAYS_BACK


def test_a_day_is_reported_when_it_is_over_where_the_organisation_is(
    cast: Cast, receiver: Receiver
) -> None:
    webhook(cast, receiver, since=NOON)
    assert cast.organisation.time_zone == "Europe/Brussels"
    midnight = datetime(2026, 3, 10, 23, tzinfo=UTC)  # in Brussels
    billing.enter_due(midnight + billing.AFTER_MIDNIGHT - timedelta(minutes=1))
    assert reports(cast) == []
    billing.enter_due(midnight + billing.AFTER_MIDNIGHT + timedelta(minutes=1))
    assert [report.day for report in reports(cast)] == [date(2026, 3, 10)]


def test_the_clocks_task_enters_and_sends(cast: Cast, receiver: Receiver) -> None:
    webhook(cast, receiver, since=timezone.now() - timedelta(days=1, hours=2))
    tasks.report_usage()
    assert receiver.arrived
    assert {report.state for report in reports(cast)} == {"delivered"}


def test_no_secret_is_stored_or_recorded_in_clear_and_a_new_one_replaces_it(
    cast: Cast, receiver: Receiver
) -> None:
    """P7: and the rotation of the vault's keys knows the column."""
    secret = webhook(cast, receiver)
    row = BillingWebhook.objects.for_tenant(cast.alice).get()
    key = billing.secret_of(row)
    assert secret.startswith("whsec_")
    assert key not in bytes(row.secret)
    assert [c.column for c in SEALED_COLUMNS if c.model is BillingWebhook] == ["secret"]
    _row, nothing = billing.save_webhook(cast.alice, url=receiver.url)
    assert nothing == ""
    new = billing.renew_secret(cast.alice)
    billing_delivery.deliver_now(billing.report_test(cast.alice))
    assert receiver.messages(new)
    with pytest.raises(WrongSignature):
        receiver.messages(secret)
    records = RecordIndex.objects.for_tenant(cast.alice).filter(kind="policy.changed")
    assert records.count() == 3


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://[::ffff:10.0.0.1]/hook",
        "https://0x7f000001/hook",
        "https://2130706433/hook",
        "https://100.64.0.1/hook",
        "http://billing.example.org/hook",
        "ftp://billing.example.org/hook",
        "https://user:password@billing.example.org/hook",
    ],
)
def test_no_address_inside_is_taken(cast: Cast, settings: Any, url: str) -> None:
    settings.PROVIDER_ALLOWED_NETWORKS = []
    with pytest.raises(ValidationError) as refused:
        billing.save_webhook(cast.alice, url=url)
    assert list(refused.value.message_dict) == ["url"]
    assert not BillingWebhook.objects.for_tenant(cast.alice).exists()


def test_an_address_that_turns_inward_later_gets_no_byte(
    cast: Cast, receiver: Receiver, settings: Any
) -> None:
    """The call decides again, as it does for providers: names may change their address."""
    webhook(cast, receiver)
    settings.PROVIDER_ALLOWED_NETWORKS = []
    report = billing_delivery.deliver_now(billing.report_test(cast.alice))
    assert receiver.arrived == []
    assert (report.state, bool(report.last_problem)) == ("waiting", True)


def test_one_bad_address_holds_up_nobody(cast: Cast, receiver: Receiver) -> None:
    with Receiver([500]) as bad:
        billing.save_webhook(cast.charlie, url=bad.url)
        for _ in range(3):
            billing.report_test(cast.charlie)
        secret = webhook(cast, receiver)
        ours = billing.report_test(cast.alice)
        billing_delivery.deliver_due()
        assert len(bad.arrived) == 1
    assert list(receiver.messages(secret)) == [ours.message_id]


def test_tests_do_not_pile_up(cast: Cast, receiver: Receiver) -> None:
    webhook(cast, receiver)
    for _ in range(billing.MOST_TESTS_WAITING):
        billing.report_test(cast.alice)
    with pytest.raises(ValidationError):
        billing.report_test(cast.alice)


def test_only_those_who_manage_the_organisation_set_it(cast: Cast, receiver: Receiver) -> None:
    webhook(cast, receiver)
    for act in (
        lambda: billing.save_webhook(cast.max, url=receiver.url),
        lambda: billing.renew_secret(cast.max),
        lambda: billing.remove_webhook(cast.max),
        lambda: billing.report_test(cast.max),
        lambda: billing.deliveries(cast.max),
        lambda: billing.usage_for_billing(cast.max, since=YESTERDAY, until=YESTERDAY),
    ):
        with pytest.raises(PermissionRefused):
            act()


def test_the_database_holds_the_rules_of_reports(cast: Cast, receiver: Receiver) -> None:
    webhook(cast, receiver)
    row = BillingWebhook.objects.for_tenant(cast.alice).get()
    common = {"organisation": cast.organisation, "webhook": row, "body": "{}"}

    def enter(**values: Any) -> None:
        with transaction.atomic():
            BillingDelivery.objects.create(**common, **values)

    enter(kind="usage.day", day=YESTERDAY)
    for wrong in (
        {"kind": "usage.day", "day": YESTERDAY},
        {"kind": "usage.day", "day": None},
        {"kind": "test", "day": YESTERDAY},
        {"kind": "test", "state": "delivered"},
    ):
        with pytest.raises(IntegrityError):
            enter(**wrong)
    with pytest.raises(IntegrityError), transaction.atomic():
        BillingWebhook.objects.create(organisation=cast.organisation, url=receiver.url)


# -- By API ----------------------------------------------------------------------------------------


@pytest.fixture
def alice(web_server: str, cast: Cast) -> Iterator[httpx2.Client]:
    with signed_in(web_server, cast.alice, timeout=30) as client:
        yield client


WEBHOOK = "/api/v1/billing/webhook"


def test_the_api_sets_tests_and_removes_it(
    alice: httpx2.Client, cast: Cast, receiver: Receiver
) -> None:
    assert alice.get(WEBHOOK).status_code == 404
    assert alice.post(f"{WEBHOOK}/test").status_code == 404
    made = alice.put(WEBHOOK, json={"url": receiver.url}).json()
    assert made["secret"].startswith("whsec_")
    assert "secret" not in alice.get(WEBHOOK).json()
    assert alice.put(WEBHOOK, json={"url": receiver.url}).json()["secret"] == ""
    sent = alice.post(f"{WEBHOOK}/test").json()
    assert (sent["state"], sent["next_attempt_at"]) == ("delivered", None)
    assert list(receiver.messages(made["secret"])) == [sent["message_id"]]
    secret = alice.post(f"{WEBHOOK}/secret").json()["secret"]
    receiver.arrived.clear()
    receiver.statuses = [500, 200]
    failed = alice.post(f"{WEBHOOK}/test").json()
    assert (failed["state"], failed["attempts"]) == ("waiting", 1)
    listed = alice.get(f"{WEBHOOK}/deliveries").json()
    assert [one["id"] for one in listed] == [failed["id"], sent["id"]]
    again = alice.post(f"{WEBHOOK}/deliveries/{failed['id']}/again")
    assert again.status_code == 202
    billing_delivery.deliver_due()
    assert list(receiver.messages(secret)) == [failed["message_id"]]
    assert alice.delete(WEBHOOK).status_code == 204
    assert alice.get(WEBHOOK).status_code == 404


def test_strangers_and_members_reach_nothing_of_it(
    web_server: str, cast: Cast, receiver: Receiver
) -> None:
    """P4 and rights."""
    webhook(cast, receiver)
    report = billing.report_test(cast.alice)
    again = f"{WEBHOOK}/deliveries/{report.pk}/again"
    with signed_in(web_server, cast.charlie, timeout=30) as charlie:
        assert charlie.get(WEBHOOK).status_code == 404
        assert charlie.get(f"{WEBHOOK}/deliveries").json() == []
        assert charlie.post(again).status_code == 404
    _key, text = create_key(cast.max, name="program", scopes=[Permission.CHAT])
    with with_key(web_server, text, timeout=30) as program:
        for method, path in (
            ("GET", WEBHOOK),
            ("DELETE", WEBHOOK),
            ("POST", f"{WEBHOOK}/secret"),
            ("POST", again),
            ("GET", "/api/v1/billing/usage.csv"),
        ):
            assert program.request(method, path).status_code == 403, path


def test_the_csv_has_a_row_for_each_payer_and_no_formula(alice: httpx2.Client, cast: Cast) -> None:
    for model in ('=HYPERLINK("http://x")', "\uff1d1+1", "plain"):
        call(cast.max, response_model=model, cost=Decimal("0.5"), currency="EUR")
    answer = alice.get("/api/v1/billing/usage.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert {row["model"] for row in rows} == {
        '\'=HYPERLINK("http://x")',
        "'\uff1d1+1",
        "plain",
    }
    assert {row["user"] for row in rows} == {str(cast.max.user.pk)}
    assert sum(Decimal(row["cost"]) for row in rows) == Decimal("1.5")
    long = alice.get("/api/v1/billing/usage.csv", params={"since": "2020-01-01"})
    assert long.status_code == 422
    assert alice.get("/api/v1/billing/usage.csv", params={"until": "0001-01-02"}).status_code == 422


def test_no_row_of_an_invoice_is_cut_off(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    day = timezone.localdate()
    for number in range(5):
        call(cast.max, response_model=f"m-{number}-{uuid.uuid4().hex[:4]}")
    monkeypatch.setattr(usage, "_MOST_ROWS", 2)
    # The organisation may be in tomorrow already.
    around = {"since": day - timedelta(days=1), "until": day + timedelta(days=1)}
    assert len(billing.usage_for_billing(cast.alice, **around)) == 5
    cut = usage.usage_table(cast.alice, **around, group_by=["model"])
    assert len(cut) == 2

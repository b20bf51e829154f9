"""The demo: whole or not at all, made once, true to the product, and gone when it is removed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from audit.models import RecordIndex
from audit.reading import read_content
from audit.verification import verify_log
from dossier.upstream_register import seen
from dossier.upstream_requests import requests_on_file
from lexcustis import demo, demo_history, demo_removal
from lexcustis.demo_accounts import DEMO_ACCOUNTS, DEMO_ORGANISATION, DEMO_ORGANISATIONS
from lexcustis.demo_upstream import MODEL
from lexcustis.instance import only_instance
from llm.models import Conversation, Inference, Message, ProviderSettings
from orgs.models import Membership, Organisation, User
from orgs.roles import Role
from orgs.tenancy import tenant_of
from oversight.clocks import clock_of
from oversight.models import Incident, Review, Task
from tests.running import ROOT
from tests.sealing import seal


@pytest.fixture(scope="module")
def seeded(django_db_setup: None, django_db_blocker: Any) -> Iterator[list[Organisation]]:
    """The demo, seeded once for all tests of this module; another module's demo would meet it."""
    with django_db_blocker.unblock():
        if not demo.is_seeded():
            demo.seed()
        yield list(Organisation.objects.filter(slug__in=DEMO_ORGANISATIONS))


def test_there_are_two_organisations_with_people_of_every_role(
    seeded: list[Organisation], database: None
) -> None:
    assert len(seeded) == 2
    for account in DEMO_ACCOUNTS:
        user = User.objects.get(email=account.email)
        roles = list(user.memberships.values_list("organisation__slug", "role"))
        assert roles == [(account.organisation, account.role)]


def test_about_four_hundred_exchanges_end_in_every_way(
    seeded: list[Organisation], database: None
) -> None:
    states = Counter(
        state
        for organisation in seeded
        for state in Inference.objects.for_organisation(organisation.pk).values_list(
            "state", flat=True
        )
    )
    assert sum(states.values()) == sum(demo.EXCHANGES.values())
    assert set(states) == {"completed", "stopped", "failed", "blocked", "interrupted"}
    assert states["completed"] > 340


def test_they_lie_in_the_last_three_months_and_none_in_the_future(
    seeded: list[Organisation], database: None
) -> None:
    now = timezone.now()
    for organisation in seeded:
        rows = Inference.objects.for_organisation(organisation.pk)
        times = list(rows.values_list("started_at", "ended_at"))
        assert min(start for start, _ in times) > now - timedelta(days=demo_history.DAYS + 1)
        assert all(start < end <= now for start, end in times)
        assert all(start.astimezone().weekday() < 6 for start, _ in times)


def test_each_exchange_is_in_the_log_as_the_product_writes_it(
    seeded: list[Organisation], database: None
) -> None:
    """Two records for each call, the ending linked to the request, the texts sealed beside."""
    organisation = seeded[0]
    records = RecordIndex.objects.for_organisation(organisation.pk)
    for inference in Inference.objects.for_organisation(organisation.pk)[:40]:
        requested = records.get(record_id=inference.pk)
        ended = records.get(request_id=inference.pk, kind__startswith="inference.")
        assert (requested.kind, ended.record_id) == ("inference.requested", inference.end_record_id)
        assert ended.kind == f"inference.{inference.state}"
        assert abs(requested.at - inference.started_at) < timedelta(milliseconds=1)
    message = Message.objects.for_organisation(organisation.pk).filter(role="user").first()
    assert message is not None
    assert len(read_content(organisation.pk, message.record_id, message.slot)) > 10


def test_the_logs_verify(seeded: list[Organisation], database: None) -> None:
    seal()
    for organisation in seeded:
        report = verify_log(organisation.pk)
        assert report.valid, report.problems
        assert report.size > 100


def test_nothing_was_sent_to_the_forbidden_region(
    seeded: list[Organisation], database: None
) -> None:
    """P8, in the demo too: the overseas provider has blocked calls and no others."""
    for organisation in seeded:
        overseas = ProviderSettings.objects.for_organisation(organisation.pk).get(data_region="US")
        calls = Inference.objects.for_organisation(organisation.pk)
        assert not calls.filter(data_region="US").exclude(state="blocked").exists()
        assert not calls.filter(provider_settings=overseas).exclude(state="blocked").exists()
        assert calls.filter(state="blocked").exists()


def test_conversations_have_their_follow_ups(seeded: list[Organisation], database: None) -> None:
    conversations = Conversation.objects.for_organisation(seeded[0].pk)
    lengths = Counter(conversation.messages.count() for conversation in conversations[:60])
    assert set(lengths) >= {2, 4}


def test_the_register_of_models_has_documents_and_requests(
    seeded: list[Organisation], database: None
) -> None:
    organisation = next(found for found in seeded if found.slug == DEMO_ORGANISATION)
    officers = Membership.objects.for_organisation(organisation.pk).filter(
        role=Role.COMPLIANCE_OFFICER
    )
    officer = tenant_of(officers[0])
    model = seen(officer, MODEL)
    assert model.summary is not None
    assert "invented" in model.summary.publisher
    assert model.answered == 7
    rows = {row.model: row for row in requests_on_file(officer)}
    today = timezone.now().date()
    late, open_ = rows["mistral-large-latest"], rows["mistral-small-latest"]
    assert late.remind_on is not None
    assert open_.remind_on is not None
    assert late.remind_on < today < open_.remind_on
    assert all("not really asked" in row.addressee for row in rows.values())


def test_people_reviewed_answers_and_one_of_them_in_no_time(
    seeded: list[Organisation], database: None
) -> None:
    organisation = next(found for found in seeded if found.slug == DEMO_ORGANISATION)
    rows = Review.objects.for_organisation(organisation.pk)
    states = Counter(rows.values_list("state", flat=True))
    assert set(states) == {"waiting", "accepted", "modified", "rejected"}
    assert sum(states.values()) == 32
    hasty = rows.filter(reviewer__name="Pia Hald")
    assert {row.state for row in hasty} == {"accepted"}
    assert max(row.seconds for row in hasty) < 3
    others = rows.exclude(reviewer__name="Pia Hald").exclude(seconds=None)
    assert min(row.seconds for row in others) > 60


def test_incidents_stand_where_such_things_stand(
    seeded: list[Organisation], database: None
) -> None:
    organisation = next(found for found in seeded if found.slug == DEMO_ORGANISATION)
    rows = Incident.objects.for_organisation(organisation.pk)
    assert sorted(rows.values_list("status", flat=True)) == [
        "resolved",
        "triaged_not_serious",
        "under_review",
    ]
    clock = clock_of(rows.get(status="under_review"))
    assert clock is not None
    assert (clock.state, clock.window.law) == ("running", "73(2)")
    for incident in rows:
        moments = [event.at for event in incident.events.all()]
        assert len(set(moments)) == len(moments)  # which was last is what dossiers say
    tasks = Task.objects.for_organisation(organisation.pk)
    assert tasks.filter(done_at=None).count() == 2
    assert not any(task.is_late for task in tasks)


def test_seeding_again_changes_nothing(seeded: list[Organisation], database: None) -> None:
    before = RecordIndex.unscoped.count()
    told = StringIO()
    call_command("demo", stdout=told)
    assert "there already" in told.getvalue()
    assert RecordIndex.unscoped.count() == before


def test_outside_the_demo_nothing_is_seeded(settings: Any) -> None:
    settings.DEMO = False
    with pytest.raises(CommandError, match="This is no demo"):
        call_command("demo")


def test_a_demo_that_fails_halfway_is_not_there(
    database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "DEMO_ORGANISATIONS", {"half-way": "Half Way"})
    monkeypatch.setitem(demo.PROFILES, "half-way", {})  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        demo.seed()
    assert not Organisation.objects.filter(slug="half-way").exists()


def test_removing_while_it_runs_is_refused(tmp_path: Path, settings: Any) -> None:
    settings.HOME = tmp_path
    with only_instance(tmp_path, "process 1"), pytest.raises(CommandError, match="already runs"):
        call_command("demo", remove=True)


def test_removing_takes_the_data_of_the_bundled_servers(tmp_path: Path) -> None:
    for name in ("postgres", "valkey", "files", "signer"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "something").touch()
    done = subprocess.run(
        [sys.executable, "manage.py", "demo", "--remove"],
        cwd=ROOT,
        env={"PATH": "/usr/bin:/bin", "LEXCUSTIS_DEMO": "1", "LEXCUSTIS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"log", "supervisor.lock"}


def test_a_database_with_others_in_it_is_left_alone(
    seeded: list[Organisation],
    cast: object,
    tmp_path: Path,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Somebody tried the product in the demo and stayed: their records are not ours to delete."""
    settings.HOME = tmp_path
    monkeypatch.setattr(demo_removal, "is_embedded", lambda _address: False)
    with pytest.raises(CommandError, match="organisations beside the demo's"):
        call_command("demo", remove=True)
    assert Organisation.objects.filter(slug__in=DEMO_ORGANISATIONS).count() == 2


def test_a_database_of_ones_own_is_prepared_and_emptied(database_url: str, tmp_path: Path) -> None:
    socket_folder = tmp_path / "socket"  # the same server under a name that is not the bundle's
    socket_folder.symlink_to(database_url.partition("host=")[2])
    connection = {"host": str(socket_folder), "user": "lexcustis", "autocommit": True}
    with psycopg.connect(dbname="lexcustis", **connection) as server:
        server.execute("CREATE DATABASE of_ones_own")
    environment = {
        "PATH": "/usr/bin:/bin",
        "LEXCUSTIS_DEMO": "1",
        "LEXCUSTIS_HOME": str(tmp_path),
        "DATABASE_URL": f"postgres://lexcustis@/of_ones_own?host={socket_folder}",
        "REDIS_URL": os.environ["REDIS_URL"],
    }

    def manage(*arguments: str) -> None:
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)

    def tables() -> int:
        with psycopg.connect(dbname="of_ones_own", **connection) as own:
            found = own.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
            return int(found.fetchone()[0])  # type: ignore[index]

    try:
        manage("prepare", "--no-demo")
        assert tables() > 20
        assert (tmp_path / "static" / "staticfiles.json").exists()
        manage("demo", "--remove")
        assert tables() == 0
    finally:
        with psycopg.connect(dbname="lexcustis", **connection) as server:
            server.execute("DROP DATABASE of_ones_own WITH (FORCE)")

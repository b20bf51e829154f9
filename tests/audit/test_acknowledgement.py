"""What a person waits for is answered when it is sealed; where that is late, the answer says so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit.acknowledgement import HEADER, NOT_YET, AcknowledgementMiddleware
from audit.awaited import collecting
from audit.kinds import Kind
from audit.ledger import Draft, append, commit, commit_blocking
from audit.logs import log_name
from audit.models import Log, SealState
from audit.positions import position_of, signed_among
from audit.state import STOPPED_AFTER, is_sealing
from llm.models import ProviderSettings
from orgs.keys import create_key
from orgs.models import Organisation
from orgs.roles import Permission
from tests.admin_pages import signed_in
from tests.audit.test_writing import a_draft
from tests.cast import Cast
from tests.live import with_key
from tests.llm.test_admin_providers import FIELDS
from tests.llm.test_provider_api import PATH, SIMULATED
from tests.sealing import seal, sealer_was_seen, sealing_meanwhile

FORM = {**FIELDS, **SIMULATED, "base_url": "", "allowed_models": ""}
STOPPED = STOPPED_AFTER + timedelta(seconds=1)


@pytest.fixture(autouse=True)
def patience(settings: Any) -> None:
    settings.SEALED_WITHIN_SECONDS = 20.0


def awaited(cast: Cast, organisation: Organisation | None = None) -> Draft:
    owner = organisation or cast.organisation
    return Draft(owner.pk, Kind.POLICY_CHANGED, cast.olivia.actor, {})


def answer(view: Callable[[], object]) -> Any:
    """What the middleware makes of the plain answer to a request that does *view*."""

    def get_response(_request: HttpRequest) -> HttpResponse:
        view()
        return HttpResponse("done")

    return AcknowledgementMiddleware(get_response)(RequestFactory().get("/"))


def appending(*drafts: Draft) -> Callable[[], None]:
    def view() -> None:
        with transaction.atomic():
            for draft in drafts:
                append(draft)

    return view


def providers(cast: Cast) -> Any:
    return ProviderSettings.objects.for_tenant(cast.alice)


def test_a_change_in_the_admin_is_answered_when_it_is_sealed(cast: Cast) -> None:
    alice = signed_in(cast.alice.user)
    with sealing_meanwhile():
        response = alice.post(reverse("admin:llm_providersettings_add"), FORM)
    assert (response.status_code, response[HEADER]) == (302, "yes")
    log = Log.objects.for_organisation(cast.organisation.pk).get()
    assert log.signed_size == log.size
    assert str(NOT_YET) not in alice.get(response.url).content.decode()


def test_without_a_sealer_it_is_answered_at_once_and_the_next_page_says_so(cast: Cast) -> None:
    seal()
    sealer_was_seen(STOPPED)
    alice = signed_in(cast.alice.user)
    began = time.monotonic()
    response = alice.post(reverse("admin:llm_providersettings_add"), FORM)
    assert time.monotonic() - began < 5
    assert (response.status_code, response[HEADER]) == (302, "no")
    assert providers(cast).exists()
    page = alice.get(response.url).content.decode()
    assert page.count(str(NOT_YET)) == 1
    assert str(NOT_YET) not in alice.get(response.url).content.decode()


def test_where_nobody_ever_sealed_nobody_waits(cast: Cast) -> None:
    SealState.objects.all().delete()
    began = time.monotonic()
    assert answer(appending(awaited(cast)))[HEADER] == "no"
    assert time.monotonic() - began < 5
    seal()


def test_a_slow_sealer_is_waited_for_no_longer_than_the_limit(cast: Cast, settings: Any) -> None:
    settings.SEALED_WITHIN_SECONDS = 0.3
    seal()
    sealer_was_seen(timedelta(seconds=1))
    began = time.monotonic()
    assert answer(appending(awaited(cast)))[HEADER] == "no"
    assert 0.3 <= time.monotonic() - began < 5


def test_a_limit_of_zero_waits_for_nothing_and_warns_nobody(cast: Cast, settings: Any) -> None:
    settings.SEALED_WITHIN_SECONDS = 0.0
    with collecting(), CaptureQueriesContext(connection) as alone:
        appending(awaited(cast))()
    with CaptureQueriesContext(connection) as asked:
        assert answer(appending(awaited(cast)))[HEADER] == "no"
    assert len(asked) == len(alone)
    alice = signed_in(cast.alice.user)
    response = alice.post(reverse("admin:llm_providersettings_add"), FORM)
    assert response[HEADER] == "no"
    assert str(NOT_YET) not in alice.get(response.url).content.decode()


def test_a_program_reads_it_in_the_header(cast: Cast, web_server: str) -> None:
    _key, text = create_key(cast.alice, name="key", scopes=[Permission.PROVIDER_MANAGE])
    with with_key(web_server, text, timeout=30) as program:
        with sealing_meanwhile():
            made = program.post(PATH, json=SIMULATED)
        assert (made.status_code, made.headers[HEADER]) == (201, "yes")
        sealer_was_seen(STOPPED)
        again = program.post(PATH, json={**SIMULATED, "name": "Another"})
        assert (again.status_code, again.headers[HEADER]) == (201, "no")
        assert HEADER not in program.get(PATH).headers
        assert HEADER not in program.post(PATH, json={}).headers


def test_a_request_that_records_nothing_of_the_kind_asks_nothing(cast: Cast) -> None:
    with CaptureQueriesContext(connection) as asked:
        response = answer(lambda: None)
        after_inference = answer(lambda: commit_blocking(a_draft(cast)))
    assert len(asked) == 0
    assert HEADER not in response.headers
    assert HEADER not in after_inference.headers


def test_all_records_of_a_request_are_looked_for_in_one_query(cast: Cast) -> None:
    drafts = [awaited(cast), awaited(cast), awaited(cast, cast.other_organisation)]

    def view() -> None:
        appending(*drafts)()
        commit_blocking(awaited(cast))
        seal()
        connection.queries_log.clear()

    with CaptureQueriesContext(connection):
        assert answer(view)[HEADER] == "yes"
        assert len(connection.queries_log) == 1


def test_one_record_that_is_not_sealed_is_enough_to_say_no(cast: Cast, settings: Any) -> None:
    settings.SEALED_WITHIN_SECONDS = 0.1

    def view() -> None:
        appending(awaited(cast), awaited(cast))()
        seal()
        appending(awaited(cast))()

    assert answer(view)[HEADER] == "no"


def test_a_place_in_the_tree_is_not_enough(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    receipt = commit_blocking(awaited(cast))
    with monkeypatch.context() as patched:
        patched.setattr("audit.sealing.sign_heads", lambda *_args, **_options: (0, []))
        seal()
    assert position_of(log_name(cast.organisation.pk).number, receipt.record_id) is not None
    assert signed_among([receipt.record_id]) == set()
    seal()
    assert signed_among([receipt.record_id]) == {receipt.record_id}


def test_what_is_rolled_back_is_not_waited_for(cast: Cast) -> None:
    def inside_and_back() -> None:
        with transaction.atomic():
            append(awaited(cast))
            raise RuntimeError("rolled back")

    with collecting() as collector:
        with pytest.raises(RuntimeError):
            inside_and_back()
        assert collector.receipts == []
        with transaction.atomic():
            first = append(awaited(cast))
            with pytest.raises(RuntimeError):
                inside_and_back()
            with transaction.atomic():
                second = append(awaited(cast))
            assert collector.receipts == []  # nothing is committed yet
        assert collector.receipts == [first, second]
        third = commit_blocking(awaited(cast))
        assert collector.receipts == [first, second, third]
    commit_blocking(awaited(cast))
    assert collector.receipts == [first, second, third]


def test_a_task_that_outlives_its_request_notes_nothing_more(cast: Cast) -> None:
    async def outlive() -> list[object]:
        with collecting() as collector:
            later = asyncio.ensure_future(asyncio.sleep(0.01))
            task = asyncio.ensure_future(after(later))
        await task
        return list(collector.receipts)

    async def after(moment: asyncio.Future[None]) -> None:
        await moment
        await commit(awaited(cast))

    assert asyncio.run(outlive()) == []


def test_an_asynchronous_view_is_waited_for_too(cast: Cast) -> None:
    async def view(_request: HttpRequest) -> HttpResponse:
        await commit(awaited(cast))
        await sync_to_async(appending(awaited(cast)))()
        return JsonResponse({})

    async def answered() -> HttpResponse:
        response = AcknowledgementMiddleware(view)(RequestFactory().get("/"))  # type: ignore[arg-type]
        return await response  # type: ignore[misc, return-value]

    with sealing_meanwhile():
        assert asyncio.run(answered())[HEADER] == "yes"
    sealer_was_seen(STOPPED)
    assert asyncio.run(answered())[HEADER] == "no"


def test_the_event_loop_goes_on_while_sealing_is_late(cast: Cast, settings: Any) -> None:
    settings.SEALED_WITHIN_SECONDS = 0.5
    seal()

    async def view(_request: HttpRequest) -> HttpResponse:
        await commit(awaited(cast))
        return JsonResponse({})

    async def request_and_ticks() -> int:
        waiting = asyncio.ensure_future(AcknowledgementMiddleware(view)(RequestFactory().get("/")))  # type: ignore[arg-type]
        ticks = 0
        while not waiting.done():
            await asyncio.sleep(0.01)
            ticks += 1
        assert waiting.result()[HEADER] == "no"
        return ticks

    assert asyncio.run(request_and_ticks()) > 20


def test_a_stream_begins_when_its_record_is_sealed(cast: Cast) -> None:
    began: list[bool] = []

    def get_response(_request: HttpRequest) -> StreamingHttpResponse:
        receipt = commit_blocking(awaited(cast))
        stream = (began.append(bool(signed_among([receipt.record_id]))) or b"x" for _ in range(1))
        return StreamingHttpResponse(stream)

    with sealing_meanwhile():
        response: Any = AcknowledgementMiddleware(get_response)(RequestFactory().get("/"))
        assert (response[HEADER], began) == ("yes", [])
        assert response.getvalue() == b"x"
    assert began == [True]


def test_a_connection_that_is_lost_while_waiting_fails_nothing(
    cast: Cast, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    def view() -> None:
        appending(awaited(cast))()
        with psycopg.connect(database_url) as session:
            process = connection.connection.info.backend_pid
            session.execute("SELECT pg_terminate_backend(%s, 5000)", [process])

    with caplog.at_level("WARNING"):
        response = answer(view)
    assert (response.status_code, response[HEADER]) == (200, "no")
    assert "acknowledgement.cannot_look" in caplog.text
    assert Organisation.objects.filter(pk=cast.organisation.pk).exists()  # a new connection


def test_the_sealer_of_another_shard_does_not_matter(cast: Cast) -> None:
    """P4: what is said depends on one's own log alone."""
    seal()
    ours, theirs = (
        Log.objects.for_organisation(organisation.pk).get()
        for organisation in (cast.organisation, cast.other_organisation)
    )
    shards = max(ours.number, theirs.number) + 1
    kept = list(SealState.objects.all())
    SealState.objects.all().delete()
    SealState.objects.create(shard=f"{ours.number}/{shards}", cluster="x")
    try:
        assert is_sealing([ours.origin])
        assert not is_sealing([theirs.origin])
        assert not is_sealing([ours.origin, theirs.origin])
    finally:
        SealState.objects.all().delete()
        SealState.objects.bulk_create(kept)

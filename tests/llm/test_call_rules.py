"""An organisation's rules for calls: who may set them, what they may be, and that they hold."""

from __future__ import annotations

import uuid
from typing import Any

import httpx2
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from audit.canonical import decode
from audit.models import RecordIndex
from audit.reading import record_bytes
from llm import candidates
from llm.call_rules import change_rules, rules_of
from llm.models import CallRules
from orgs.keys import create_key
from orgs.models import Organisation
from orgs.prepared_queries import asking_once, read_ahead
from orgs.roles import Permission
from orgs.tenancy import PermissionRefused
from tests.cast import Cast
from tests.live import signed_in, with_key
from tests.llm.gateway import Gateway, answering, ask, refusing


def said(answer: httpx2.Response) -> str:
    assert answer.status_code == 200, answer.text
    text: str = answer.json()["text"]
    return text.strip()


# -- Who, and what ---------------------------------------------------------------------------------


def test_without_rules_the_defaults_hold(cast: Cast) -> None:
    rules = rules_of(cast.organisation.pk)
    assert rules.screening == CallRules.Screening.FLAG
    assert rules.strategy == CallRules.Strategy.PRIORITY
    assert rules.fallback == CallRules.Fallback.SAME_MODEL
    assert (rules.chain, rules.screening_by_kind, rules.requests_per_minute) == ([], {}, None)
    assert not CallRules.objects.for_organisation(cast.organisation.pk).exists()


@pytest.mark.parametrize("who", ["rita", "max", "audrey"])
def test_nobody_changes_them_without_the_right_to(cast: Cast, who: str) -> None:
    with pytest.raises(PermissionRefused):
        change_rules(getattr(cast, who), screening="block")
    assert rules_of(cast.organisation.pk).screening == "flag"


@pytest.mark.parametrize("who", ["alice", "olivia"])
def test_those_who_manage_the_organisation_change_them(cast: Cast, who: str) -> None:
    change_rules(getattr(cast, who), screening="mask", requests_per_minute=60)
    rules = rules_of(cast.organisation.pk)
    assert (rules.screening, rules.requests_per_minute) == ("mask", 60)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("screening", "sometimes"),
        ("screening", ""),
        ("screening_by_kind", {"shoe_size": "block"}),
        ("screening_by_kind", {"email": "sometimes"}),
        ("screening_by_kind", {"email": ["block"]}),
        ("screening_by_kind", ["email"]),
        ("strategy", "by_star_sign"),
        ("fallback", "perhaps"),
        ("chain", [uuid.UUID(int=1)]),
        ("requests_per_minute", 0),
        ("requests_per_minute", 1_000_001),
        ("requests_per_minute_person", 0),
        ("requests_per_minute_key", -1),
    ],
)
def test_what_does_not_fit_is_refused_with_its_field_and_nothing_is_kept(
    cast: Cast, field: str, value: Any
) -> None:
    before = changes(cast)
    with pytest.raises(ValidationError) as refused:
        change_rules(cast.alice, **{field: value})
    assert list(refused.value.message_dict) == [field]
    assert not CallRules.objects.for_organisation(cast.organisation.pk).exists()
    assert changes(cast) == before


def test_a_rule_that_does_not_exist_is_a_mistake_of_the_program(cast: Cast) -> None:
    with pytest.raises(TypeError, match="colour"):
        change_rules(cast.alice, colour="blue")


def test_a_provider_stands_in_the_order_once(cast: Cast, gateway: Gateway) -> None:
    gateway.add("Ours", answering())
    twice = [gateway.rows["Ours"].pk] * 2
    with pytest.raises(ValidationError, match="once"):
        change_rules(cast.alice, chain=twice)


def test_an_organisation_has_one_row_whatever_a_program_tries(cast: Cast) -> None:
    change_rules(cast.alice, screening="mask")
    with pytest.raises(IntegrityError), transaction.atomic():
        CallRules.objects.create(organisation=cast.organisation)


def test_p4_another_organisation_neither_has_nor_names_ours(cast: Cast, gateway: Gateway) -> None:
    gateway.add("Ours", answering())
    change_rules(cast.alice, screening="block", chain=[gateway.rows["Ours"].pk])
    assert rules_of(cast.other_organisation.pk).screening == "flag"
    assert not CallRules.objects.for_tenant(cast.charlie).exists()
    with pytest.raises(ValidationError) as theirs:
        change_rules(cast.charlie, chain=[gateway.rows["Ours"].pk])
    with pytest.raises(ValidationError) as nobodys:
        change_rules(cast.charlie, chain=[uuid.UUID(int=7)])
    assert theirs.value.message_dict == nobodys.value.message_dict
    change_rules(cast.charlie, screening="off")
    assert rules_of(cast.organisation.pk).screening == "block"


# -- In the log ------------------------------------------------------------------------------------


def changes(cast: Cast) -> list[dict[str, Any]]:
    """The bodies of all recorded changes of the organisation, oldest first."""
    rows = RecordIndex.objects.for_organisation(cast.organisation.pk)
    found = rows.filter(kind="organisation.changed").order_by("at", "record_id")
    return [body_of(cast, row) for row in found]


def body_of(cast: Cast, row: RecordIndex) -> dict[str, Any]:
    body: dict[str, Any] = decode(record_bytes(cast.organisation.pk, row.record_id))["body"]
    return body


def test_a_change_is_recorded_with_what_holds_from_now_on(cast: Cast, gateway: Gateway) -> None:
    gateway.add("Ours", answering())
    ours = gateway.rows["Ours"].pk
    change_rules(
        cast.alice,
        screening="ask",
        screening_by_kind={"secret": "block"},
        chain=[ours],
        strategy="speed",
    )
    last = changes(cast)[-1]
    assert last["lexcustis.call_rules.screening"] == "ask"
    assert last["lexcustis.call_rules.screening_by_kind"] == {"secret": "block"}
    assert last["lexcustis.call_rules.chain"] == [str(ours)]
    assert last["lexcustis.call_rules.strategy"] == "speed"
    assert "lexcustis.call_rules.fallback" not in last
    assert last["lexcustis.changed_fields"] == [
        "call_rules.chain",
        "call_rules.screening",
        "call_rules.screening_by_kind",
        "call_rules.strategy",
    ]


def test_what_is_set_as_it_was_is_no_change(cast: Cast) -> None:
    change_rules(cast.alice, fallback="never")
    before = changes(cast)
    change_rules(cast.alice, fallback="never")
    assert changes(cast) == before


# -- In calls --------------------------------------------------------------------------------------


def test_the_chain_says_who_answers_first(
    gateway: Gateway, max_: httpx2.Client, cast: Cast
) -> None:
    gateway.add("First", answering("by priority"))
    gateway.add("Second", answering("by chain"))
    assert said(ask(max_)) == "by priority"
    change_rules(cast.alice, chain=[gateway.rows["Second"].pk, gateway.rows["First"].pk])
    assert said(ask(max_)) == "by chain"


def test_the_strategy_puts_our_own_servers_first(
    gateway: Gateway, max_: httpx2.Client, cast: Cast
) -> None:
    gateway.add("Cloud", answering("from the cloud"))
    gateway.add("Cellar", answering("from the cellar"), data_region="self-hosted")
    assert said(ask(max_)) == "from the cloud"
    change_rules(cast.alice, strategy="local_first")
    assert said(ask(max_)) == "from the cellar"


def test_fallback_is_what_the_rules_say(gateway: Gateway, max_: httpx2.Client, cast: Cast) -> None:
    gateway.add("Refuses", refusing(401))  # is not asked twice
    gateway.add("Answers", answering("instead"), default_model="other")
    assert ask(max_).status_code != 200
    assert gateway.calls("Answers") == 0
    change_rules(cast.alice, fallback="any")
    assert said(ask(max_)) == "instead"
    change_rules(cast.alice, fallback="never")
    assert ask(max_).status_code != 200
    assert gateway.calls("Answers") == 1


def test_a_limit_of_the_organisation_counts_everybody(
    web_server: str, gateway: Gateway, max_: httpx2.Client, cast: Cast
) -> None:
    gateway.add("Ours", answering())
    change_rules(cast.alice, requests_per_minute=2)
    with signed_in(web_server, cast.rita, timeout=30) as rita:
        assert [ask(max_).status_code, ask(rita).status_code] == [200, 200]
        refused = ask(rita)
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "rate_limited"
    assert int(refused.headers["retry-after"]) >= 1
    assert gateway.calls("Ours") == 2
    assert gateway.attempts()[-1].state == "blocked"


def test_a_limit_of_each_person_leaves_the_others_alone(
    web_server: str, gateway: Gateway, max_: httpx2.Client, cast: Cast
) -> None:
    gateway.add("Ours", answering())
    change_rules(cast.alice, requests_per_minute_person=1)
    with signed_in(web_server, cast.rita, timeout=30) as rita:
        statuses = [ask(max_).status_code, ask(max_).status_code, ask(rita).status_code]
    assert statuses == [200, 429, 200]


def test_a_limit_of_each_key_leaves_its_owner_alone(
    web_server: str, gateway: Gateway, max_: httpx2.Client, cast: Cast
) -> None:
    gateway.add("Ours", answering())
    change_rules(cast.alice, requests_per_minute_key=1)
    _, text = create_key(cast.max, name="program", scopes=[Permission.CHAT])
    with with_key(web_server, text, timeout=30) as program:
        statuses = [ask(program).status_code, ask(program).status_code, ask(max_).status_code]
    assert statuses == [200, 429, 200]


def test_rules_that_come_with_the_providers_are_those_of_now(gateway: Gateway, cast: Cast) -> None:
    gateway.add("Ours", answering())

    def read() -> Organisation:
        with asking_once():
            read_ahead((candidates.enabled, (cast.organisation.pk,)))
            return candidates.enabled(cast.organisation.pk)[0].organisation

    for limit in (5, 7):
        change_rules(cast.alice, requests_per_minute_key=limit)
        first, again = read(), read()
        for organisation in (first, again):
            assert organisation.call_rules.requests_per_minute_key == limit
            assert organisation.call_rules.organisation is organisation  # each names the other
        assert first is not again
        assert first.call_rules is not again.call_rules


@pytest.mark.parametrize(
    "limit", ["requests_per_minute", "requests_per_minute_person", "requests_per_minute_key"]
)
def test_the_database_itself_takes_no_negative_limit(cast: Cast, limit: str) -> None:
    change_rules(cast.alice, screening="mask")
    rows = CallRules.objects.for_organisation(cast.organisation.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(**{limit: -1})

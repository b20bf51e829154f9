"""Which provider answers, and that a forbidden region never receives a byte (promise P8)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from llm import provider_settings
from llm.models import ProviderSettings
from llm.providers.errors import Unavailable
from llm.routing import (
    NoRoute,
    breaker_of,
    choices,
    get_llm_provider,
    region_is_allowed,
    route,
    routes,
)
from llm.strategies import Hint, Strategy
from orgs.organisations import change_organisation
from orgs.tenancy import Tenant
from tests.cast import Cast

pytestmark = pytest.mark.usefixtures("names_resolve_at_once")


def add(tenant: Tenant, name: str, **values: Any) -> ProviderSettings:
    values = {"vendor": "simulated", "default_model": "sim-large", **values}
    return provider_settings.create(tenant=tenant, name=name, **values)


def refused(tenant: Tenant, **asked: Any) -> NoRoute:
    with pytest.raises(NoRoute) as caught:
        route(tenant, **asked)
    return caught.value


GLOBAL = {"vendor": "mistral", "default_model": "mistral-large-latest"}
EU = {**GLOBAL, "base_url": "https://api.eu.mistral.ai/v1"}
US = {**GLOBAL, "base_url": "https://api.us.mistral.ai/v1"}


def test_without_settings_the_instances_default_answers(cast: Cast) -> None:
    found = route(cast.max)
    assert (found.settings_id, found.name, found.model) == (None, "Simulated model", "sim-large")
    assert found.region == found.provider.data_region == "self-hosted"
    assert found.provider.provider_model == "sim-large"
    (choice,) = choices(cast.max)
    assert choice.id is None
    assert choice.is_default
    assert choice.models == ["sim-large"]


def test_without_any_provider_nothing_answers(cast: Cast, settings: Any) -> None:
    settings.DEFAULT_LLM_PROVIDER = ""
    assert refused(cast.max).code == "no_provider"
    assert choices(cast.max) == []


def test_the_lowest_priority_number_is_the_default(cast: Cast) -> None:
    add(cast.alice, "Second", priority=20)
    first = add(cast.alice, "First", priority=10)
    assert route(cast.max).settings_id == first.pk
    assert get_llm_provider(cast.organisation).provider_model == "sim-large"
    assert [(c.name, c.is_default) for c in choices(cast.max)] == [
        ("First", True),
        ("Second", False),
    ]


def test_a_chosen_provider_and_model_answer(cast: Cast) -> None:
    add(cast.alice, "First", priority=10)
    second = add(cast.alice, "Second", allowed_models=["sim-small"])
    found = route(cast.max, settings_id=second.pk, model="sim-small")
    assert (found.name, found.model) == ("Second", "sim-small")
    assert found.provider.provider_model == "sim-small"
    by_model = route(cast.max, model="sim-small")
    assert by_model.settings_id == second.pk


def test_a_model_that_is_not_offered_is_refused_not_replaced(cast: Cast) -> None:
    row = add(cast.alice, "First")
    assert refused(cast.max, settings_id=row.pk, model="gpt-9").code == "model_not_offered"
    assert refused(cast.max, model="gpt-9").code == "model_not_offered"


def test_a_disabled_provider_is_refused_not_replaced(cast: Cast) -> None:
    row = add(cast.alice, "First")
    add(cast.alice, "Second")
    provider_settings.disable(tenant=cast.alice, settings_id=row.pk)
    assert refused(cast.max, settings_id=row.pk).code == "provider_disabled"
    assert [choice.name for choice in choices(cast.max)] == ["Second"]


def test_another_organisations_provider_is_unknown(cast: Cast) -> None:
    row = add(cast.alice, "Ours")
    theirs = refused(cast.charlie, settings_id=row.pk)
    nobodys = refused(cast.charlie, settings_id=uuid.uuid4())
    assert (theirs.code, theirs.message) == (nobodys.code, nobodys.message)
    assert theirs.code == "provider_unknown"
    assert [choice.id for choice in choices(cast.charlie)] == [None]


def test_a_forbidden_region_is_refused_and_said(cast: Cast) -> None:
    us, unknown = add(cast.alice, "American", **US), add(cast.alice, "Global", **GLOBAL)
    error = refused(cast.max, settings_id=us.pk)
    assert error.code == "region_forbidden"
    assert "“US”" in error.message
    assert "EU, self-hosted" in error.message
    error = refused(cast.max, settings_id=unknown.pk)
    assert error.code == "region_forbidden"
    assert "not known" in error.message
    # Only forbidden ones: the default is refused too, and the instance's does not step in.
    assert refused(cast.max).code == "region_forbidden"
    assert all(not choice.allowed and choice.reason for choice in choices(cast.max))
    assert not any(choice.is_default for choice in choices(cast.max))


def test_the_default_is_the_first_that_the_policy_allows(cast: Cast) -> None:
    add(cast.alice, "American", priority=1, **US)
    eu = add(cast.alice, "European", priority=2, **EU)
    found = route(cast.max)
    assert (found.settings_id, found.region) == (eu.pk, "EU")
    assert [(c.allowed, c.is_default) for c in choices(cast.max)] == [
        (False, False),
        (True, True),
    ]


def test_a_changed_policy_holds_from_the_next_call(cast: Cast) -> None:
    us = add(cast.alice, "American", **US)
    cast.max.organisation.allowed_regions = change_organisation(
        cast.alice, allowed_regions=["US", "unknown"]
    ).allowed_regions
    assert route(cast.max, settings_id=us.pk).region == "US"
    assert refused(cast.max, settings_id=add(cast.alice, "European", **EU).pk)
    assert route(cast.max, settings_id=add(cast.alice, "Global", **GLOBAL).pk)


def test_a_model_that_runs_elsewhere_than_its_provider_is_judged_by_itself(cast: Cast) -> None:
    row = add(
        cast.alice,
        "Ollama",
        vendor="ollama",
        default_model="gpt-oss:20b",
        allowed_models=["gpt-oss:120b-cloud"],
    )
    assert route(cast.max, settings_id=row.pk).region == "self-hosted"
    error = refused(cast.max, settings_id=row.pk, model="gpt-oss:120b-cloud")
    assert error.code == "region_forbidden"


def test_a_vendor_that_is_gone_is_said_and_does_not_hide_the_others(cast: Cast) -> None:
    gone = add(cast.alice, "Plug-in", priority=1)
    ProviderSettings.objects.for_tenant(cast.alice).filter(pk=gone.pk).update(vendor="removed")
    add(cast.alice, "Second", priority=2)
    assert refused(cast.max, settings_id=gone.pk).code == "provider_misconfigured"
    assert route(cast.max).name == "Second"
    assert [choice.allowed for choice in choices(cast.max)] == [False, True]


@pytest.mark.parametrize(
    ("region", "allowed", "expected"),
    [
        ("EU", ["EU"], True),
        ("DE", ["EU"], True),
        ("EU", ["DE"], False),
        ("FR", ["DE"], False),
        ("GB", ["EU"], False),
        ("CH", ["EU"], False),
        ("US", ["EU", "self-hosted"], False),
        ("unknown", ["EU", "US", "self-hosted"], False),
        ("unknown", ["unknown"], True),
        ("self-hosted", ["EU"], False),
        ("EU", [], False),
        ("", ["EU"], False),
    ],
)
def test_a_policy_allows_what_it_names(region: str, allowed: list[str], expected: bool) -> None:
    assert region_is_allowed(region, allowed) is expected


async def test_a_forbidden_region_receives_no_byte(cast: Cast) -> None:
    """The provider listens, the policy forbids it: it sees no connection at all."""
    from asgiref.sync import sync_to_async

    from tests.llm.providers.golden import OPENAI
    from tests.llm.providers.loopback import Reply, loopback_server

    async with loopback_server() as server:
        server.always(Reply([OPENAI.stream]))
        row = await sync_to_async(add)(
            cast.alice,
            "Elsewhere",
            vendor="openai_compatible",
            default_model="m",
            base_url=f"{server.origin}/v1",
            data_region="US",
        )
        for asked in ({"settings_id": row.pk}, {}, {"model": "m"}):
            error = await sync_to_async(refused)(cast.max, **asked)
            assert error.code == "region_forbidden"
        assert server.connections == 0


# -- In which order -------------------------------------------------------------------------------


def names(tenant: Tenant, **asked: Any) -> list[str]:
    return [found.name for found in routes(tenant, **asked)]


def test_all_that_may_answer_are_listed_and_none_that_may_not(cast: Cast) -> None:
    add(cast.alice, "American", priority=1, **US)
    add(cast.alice, "Second", priority=3, allowed_models=["sim-small"])
    add(cast.alice, "First", priority=2)
    off = add(cast.alice, "Off", priority=0)
    provider_settings.disable(tenant=cast.alice, settings_id=off.pk)
    assert names(cast.max) == ["First", "Second"]
    assert names(cast.max, model="sim-small") == ["Second"]
    assert names(cast.charlie) == ["Simulated model"]


def test_a_strategy_and_a_hint_order_them(cast: Cast) -> None:
    add(cast.alice, "European", priority=1, **EU)
    add(cast.alice, "Local", priority=2, options={"quality": 50})
    assert names(cast.max) == ["European", "Local"]
    assert names(cast.max, strategy=Strategy.LOCAL_FIRST) == ["Local", "European"]
    assert names(cast.max, strategy=Strategy.COST_OPTIMIZED) == ["Local", "European"]
    assert names(cast.max, hint=Hint.BEST_QUALITY) == ["Local", "European"]
    turns = [names(cast.max, strategy=Strategy.ROUND_ROBIN)[0] for _ in range(4)]
    assert turns == ["European", "Local", "European", "Local"]
    assert set(names(cast.max, strategy=Strategy.SPEED)) == {"European", "Local"}


def test_a_chain_is_tried_in_its_order_and_nothing_else(cast: Cast) -> None:
    rows = {name: add(cast.alice, name) for name in ("A", "B", "C")}
    assert names(cast.max, chain=[rows["C"].pk, rows["A"].pk]) == ["C", "A"]
    us = add(cast.alice, "American", **US)
    assert names(cast.max, chain=[us.pk, rows["A"].pk]) == ["A"]
    with pytest.raises(NoRoute) as caught:
        routes(cast.max, chain=[us.pk])
    assert caught.value.code == "region_forbidden"


def test_with_nobody_allowed_the_rule_in_the_way_is_named(cast: Cast) -> None:
    add(cast.alice, "American", **US)
    for asked in ({}, {"strategy": Strategy.LOCAL_FIRST}, {"hint": Hint.CHEAPEST}):
        with pytest.raises(NoRoute) as caught:
            routes(cast.max, **asked)
        assert caught.value.code == "region_forbidden"


def test_a_provider_that_keeps_failing_is_tried_last(cast: Cast) -> None:
    add(cast.alice, "First", priority=1)
    add(cast.alice, "Second", priority=2)
    first = routes(cast.max)[0]
    for _ in range(5):
        breaker_of(cast.organisation, first).failed(Unavailable("down"))
    assert names(cast.max) == ["Second", "First"]
    breaker_of(cast.organisation, first).succeeded()
    assert names(cast.max) == ["First", "Second"]

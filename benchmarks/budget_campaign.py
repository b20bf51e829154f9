"""Budgets under many calls at once: no counter drifts, and no limit is passed.

Two processes run whole turns side by side, all begun at the same moment: answers that end well,
that break in the middle, that are stopped by their reader, and calls to a provider that is down;
whoever finds the ledger too busy asks again.
Five people ask; budgets count the tokens and the money of the organisation and of each person,
while a third process folds settled entries into the accounts all the time. At the end each counter
must be exactly the sum of the calls themselves, to the ninth decimal, with nothing left reserved.
Then as many calls at once meet a limit that has room for a tenth of them: it must not be passed.

    python -m benchmarks.budget_campaign        (SCALE=ci: 100 calls at once, SCALE=full: 1,000)
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

from benchmarks.ledger_instance import ROOT, instance, is_full, tell, tell_machine

PROCESSES = 2
PEOPLE = 5
PRICE = {"input": "0.31", "output": "1.7", "currency": "USD"}  # sums with many decimals
QUESTION_TOKENS, ANSWER_TOKENS = 40, 60


def main(scale: str | None = None) -> None:
    """Run the campaign and print its figures; raises where a counter is wrong."""
    calls = 1000 if is_full(scale) else 100
    tell_machine()
    with instance(durable=False) as environment:
        began = time.perf_counter()
        drift = _drift(environment, calls)
        limit = _limit(environment, calls)
        print(f"{time.perf_counter() - began:.0f} s", file=sys.stderr)
    if drift or limit:
        raise RuntimeError("A budget's counter is not what was used.")


def _drift(environment: dict[str, str], calls: int) -> bool:
    """Whether a counter differs from the sum of the calls."""
    from llm import budgets
    from llm.models import Budget, BudgetEntry

    tenant = _organisation("Drift")
    for unit, limit in ((Budget.Unit.TOKENS, Decimal(10**9)), (Budget.Unit.USD, Decimal(10**6))):
        for scope in (Budget.Scope.ORGANISATION, Budget.Scope.USER):
            budgets.save_budget(tenant, Budget(scope=scope, unit=unit, limit=limit))
    states = _run(environment, tenant.organisation_id, calls, "mixed")
    entries = BudgetEntry.objects.filter(account__organisation_id=tenant.organisation_id)
    reserved = entries.filter(is_settled=False).count()
    while budgets.compact():
        pass
    wrong, furthest = _differences(tenant)
    reference = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    tell("calls at once", sum(states.values()), "calls", goal=f">= {calls}", reference=reference)
    tell("counters of budgets that differ from the sum of the calls", wrong, "counters",
         goal="<= 0", reference=f"of {2 * (PEOPLE + 1)}")  # fmt: skip
    tell("largest difference", float(furthest), "tokens or USD", goal="<= 0")
    tell("reservations left after the last call", reserved, "reservations", goal="<= 0")
    tell("entries left after folding", entries.count(), "entries", goal="<= 0")
    return bool(wrong or reserved or entries.exists() or sum(states.values()) < calls)


def _limit(environment: dict[str, str], calls: int) -> bool:
    """Whether calls at once pass a limit together."""
    from llm import budgets
    from llm.models import Budget

    tenant = _organisation("Limit")
    limit = Decimal(calls // 10 * (QUESTION_TOKENS + ANSWER_TOKENS))
    budgets.save_budget(tenant, Budget(unit=Budget.Unit.TOKENS, limit=limit))
    states = _run(environment, tenant.organisation_id, calls, "plain")
    (standing,) = budgets.standings(tenant)
    beyond = max(standing.used - limit, Decimal(0))
    reference = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    tell("tokens beyond a limit that a tenth of the calls fill", float(beyond), "tokens",
         goal="<= 0", reference=reference)  # fmt: skip
    wrong, _furthest = _differences(tenant)
    tell("counters at the limit that differ from the sum of the calls", wrong, "counters",
         goal="<= 0", reference=f"{standing.used:f} of {limit:f} tokens used")  # fmt: skip
    return bool(beyond or wrong or not states["blocked"] or not states["completed"])


def _organisation(name: str) -> Any:
    """An organisation with people and two providers, of which one is down; its administrator."""
    from llm import provider_settings
    from orgs.members import add_member
    from orgs.models import User
    from orgs.organisations import create_organisation
    from orgs.roles import Role
    from orgs.tenancy import tenant_of

    organisation = create_organisation(name=name, slug=name.lower())
    people = [
        User.objects.create_user(f"{name.lower()}-{number}@example.org", name=f"Person {number}")
        for number in range(PEOPLE)
    ]
    tenants = [tenant_of(add_member(organisation, one, Role.ADMINISTRATOR)) for one in people]
    common = {"vendor": "simulated", "default_model": "sim-large", "data_region": "self-hosted"}
    options = {"first_word_ms": 20, "word_ms": 2, "price": PRICE}
    for given, priority in (("Well", 1), ("Unwell", 2)):
        provider_settings.create(
            tenant=tenants[0], name=given, priority=priority, options=options, **common
        )
    return tenants[0]


def _run(environment: dict[str, str], organisation_id: UUID, calls: int, kind: str) -> Counter[str]:
    """The calls, in processes of their own that begin together; how many ended in which state."""
    from llm.budgets import compact
    from llm.interrupted import close_expired
    from llm.models import Inference

    command = [sys.executable, "-m", "benchmarks.budget_campaign", str(organisation_id), kind]
    workers = [
        subprocess.Popen(
            [*command, str(calls // PROCESSES), str(number)],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for worker in workers:
        assert worker.stdout is not None
        if worker.stdout.readline() != "ready\n":
            raise RuntimeError("A process that was to ask did not start.")
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    while any(worker.poll() is None for worker in workers):
        compact()
        time.sleep(0.05)
    if any(worker.returncode for worker in workers):
        raise RuntimeError("A process that asked ended with an error.")
    rows = Inference.objects.for_organisation(organisation_id)
    # A request that was recorded after its caller's patience had ended: the sweep closes it.
    while rows.filter(state=Inference.State.STARTED).exists():
        close_expired()
        time.sleep(0.5)
    return Counter(rows.values_list("state", flat=True))


def _differences(tenant: Any) -> tuple[int, Decimal]:
    """How many counters differ from the sum of the calls, and by how much at most."""
    from django.db.models import Sum
    from django.db.models.functions import Coalesce

    from llm import budgets
    from llm.models import Budget, Inference

    wrong, furthest = 0, Decimal(0)
    for standing in budgets.standings(tenant):
        rows = Inference.objects.for_tenant(tenant)
        if standing.budget.scope == Budget.Scope.USER:
            rows = rows.filter(user_id=standing.subject_id)
        sums = rows.aggregate(
            tokens=Coalesce(Sum("input_tokens"), 0) + Coalesce(Sum("output_tokens"), 0),
            cost=Coalesce(Sum("cost"), Decimal(0)),
        )
        tokens = standing.budget.unit == Budget.Unit.TOKENS
        difference = abs(standing.used - Decimal(sums["tokens"] if tokens else sums["cost"]))
        wrong += difference != 0
        furthest = max(furthest, difference)
    return wrong, furthest


# -- The processes that ask -----------------------------------------------------------------------


def ask(organisation_id: str, kind: str, calls: int, seed: int) -> None:
    """Run *calls* turns at once, when told to."""
    import django

    django.setup()
    from llm.models import ProviderSettings
    from orgs.models import Membership
    from orgs.tenancy import tenant_of

    members = Membership.objects.for_organisation(UUID(organisation_id)).order_by("user__email")
    tenants = [tenant_of(one) for one in members.select_related("organisation", "user")]
    rows = ProviderSettings.objects.for_organisation(UUID(organisation_id))
    providers = {row.name: row.pk for row in rows}
    print("ready", flush=True)
    sys.stdin.readline()
    asyncio.run(_turns(tenants, providers, kind, calls, seed))


async def _turns(
    tenants: list[Any], providers: dict[str, UUID], kind: str, calls: int, seed: int
) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(seed, seed + calls):
            fate = "plain" if kind == "plain" else FATES[number % len(FATES)]
            tenant = tenants[number % len(tenants)]
            provider = providers["Unwell" if fate == "down" else "Well"]
            group.create_task(_turn(tenant, provider, fate))


FATES = ("plain", "stopped", "plain", "breaks", "plain", "long", "down")
_WORDS = {"breaks": "[[break]] ", "down": "[[fail]] ", "stopped": "[[long]] ", "long": "[[long]] "}


async def _turn(tenant: Any, provider_id: UUID, fate: str) -> None:
    from llm.calls import CallFailed
    from llm.chat import Wish, begin
    from llm.providers.base import ChatOptions

    question = _WORDS.get(fate, "") + "word " * 10
    # Room for the longest, so that nothing is cut: the estimate is what is reserved.
    options = ChatOptions(max_tokens=ANSWER_TOKENS if fate == "plain" else 4000)
    while True:
        try:
            pump = await begin(
                lambda: tenant, Wish(question, provider_id=provider_id, options=options)
            )
            if fate == "stopped":
                await pump.channel.get()
                pump.stop()
                await pump.interrupt()
            else:
                await pump.finished()
        except CallFailed as failed:
            # So many at once may find the ledger busy: nothing was sent, and clients ask again.
            if failed.code == "ledger_unavailable":
                continue
            # Else refused or failed: recorded as that, and counted as what it used.
        return


if __name__ == "__main__":
    if len(sys.argv) > 1:
        ask(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
    else:
        main(os.environ.get("SCALE"))

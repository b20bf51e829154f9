"""Budgets: reserved before a call, settled with its ending, and never passed by calls at once.

Admission locks the accounts that a call counts against, adds what is settled and reserved, and
enters an upper estimate: a function of the database, so that the locks are held for no longer than
that takes. Settling turns the estimate into the real amount and locks no account.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import compress
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone
from django.utils.translation import gettext as _

from audit.kinds import Kind
from audit.ledger import Draft, append
from llm.calls import Call, Outcome, Refused
from llm.models import Budget, BudgetAccount, BudgetEntry, Inference
from llm.outcomes import price_of
from llm.providers.base import Usage, estimate_sent
from orgs.models import ApiKey, Membership, Organisation
from orgs.prepared_queries import PreparedQuery
from orgs.roles import Permission
from orgs.tenancy import Tenant
from orgs.trips import Change, as_texts, ask

# What an answer may take where the caller sets no limit: enough for most, and only reserved.
DEFAULT_ANSWER_TOKENS = 1024
# A reservation whose call was never recorded is given back after this.
LOST_AFTER = timedelta(minutes=15)
_OWN_SERVERS = "self-hosted"


@dataclass(frozen=True, slots=True)
class Standing:
    """A budget in its current period: what is spent or reserved of its limit."""

    budget: Budget
    subject_id: UUID
    period_start: date
    used: Decimal

    @property
    def left(self) -> Decimal:
        """What may still be spent, never below nothing."""
        return max(self.budget.limit - self.used, Decimal(0))


# What came of a reservation: the budgets that the call passes, or why there is none.
Passed = list[Budget] | Exception


def admitted(call: Call) -> Call:
    """Reserve what *call* may take in every budget it counts against.

    The same call where all admit it, marked where a budget only warns; with a refusal where one
    blocks it, and then nothing is reserved.
    """
    (passed,) = reserve([call])
    return judged(call, passed)


def judged(call: Call, passed: Passed) -> Call:
    """*call* as :func:`admitted` returns it, after its reservation by :func:`reserve`."""
    if isinstance(passed, Exception):
        raise passed
    if not passed:
        return call
    blocking = next((budget for budget in passed if _blocks(budget, call)), None)
    if blocking is not None:
        return replace(call, refusal=_refusal(blocking))
    return replace(call, passed_budgets=tuple(budget.pk for budget in passed))


def reserve(calls: Sequence[Call]) -> list[Passed]:
    """Enter each call's estimate in every account it counts against, those of the same together.

    Nothing is entered for a call that a budget blocks.
    """
    if connection.in_atomic_block:
        raise RuntimeError("A reservation is a transaction of its own: others wait for its end.")
    passed: dict[UUID, Passed] = {}
    groups: dict[_Accounts, list[_Reservation]] = defaultdict(list)
    for call in calls:
        try:
            made = _reservation(call)
        except Exception as error:  # of this call alone
            passed[call.id] = error
        else:
            if made is not None:
                groups[made.accounts].append(made)
    for accounts, group in groups.items():
        passed |= _enter(accounts, group)
    return [passed.get(call.id, []) for call in calls]


class _Accounts(NamedTuple):
    """Whose accounts a call counts against: the budgets in the order of locking, and their limits.

    Calls that have them alike go together.
    """

    organisation_id: UUID
    budget_ids: tuple[UUID, ...]
    subject_ids: tuple[UUID, ...]
    limits: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class _Reservation:
    """What a call asks of its accounts; ``values`` are those that differ from call to call."""

    call_id: UUID
    budgets: Sequence[Budget]
    accounts: _Accounts
    values: Mapping[str, Any]


def _reservation(call: Call) -> _Reservation | None:
    """What to enter for a call; None where nothing is."""
    if call.refusal is not None or call.route is None:
        return None
    budgets = _budgets_of(call.tenant)
    if not budgets:
        return None
    estimate = _estimate(call)
    accounts = _Accounts(
        call.tenant.organisation_id,
        tuple(budget.pk for budget in budgets),
        tuple(_subject(budget, call.tenant) for budget in budgets),
        tuple(budget.limit for budget in budgets),
    )
    values = {
        "call": str(call.id),
        "starts": [str(_period_start(budget, call.tenant, call.at)) for budget in budgets],
        "amounts": [str(_amount(budget, *estimate)) for budget in budgets],
        "blocks": [_blocks(budget, call) for budget in budgets],
    }
    return _Reservation(call.id, budgets, accounts, values)


def _enter(accounts: _Accounts, group: Sequence[_Reservation]) -> dict[UUID, Passed]:
    """One statement for calls of the same accounts: it locks them as for one, in their order.

    What fails for several is tried for each.
    """
    organisation_id, *lists = accounts
    values = [organisation_id, *map(list, lists), json.dumps([one.values for one in group])]
    try:
        # As text: lists in the driver's form take longer to write than the server to answer.
        rows = ask(_RESERVE, as_texts(values))
    except Exception as error:
        if len(group) == 1:
            return {group[0].call_id: error}
        alone = [_enter(accounts, [one]) for one in group]
        return {call_id: passed for found in alone for call_id, passed in found.items()}
    are_passed = {call_id: passed for _off, call_id, passed in rows}
    return {one.call_id: list(compress(one.budgets, are_passed[one.call_id])) for one in group}


# Nothing waits for this to be durable: the record of the request, without which nothing is sent,
# is committed after it and makes it so.
_RESERVE = """
    SELECT set_config('synchronous_commit', 'off', true), asked.call,
           llm_reserve(%s, asked.call, %s, %s, asked.starts, asked.amounts, %s, asked.blocks)
    FROM jsonb_to_recordset(%s)
        AS asked (call uuid, starts date[], amounts numeric[], blocks boolean[])
"""


def settling(inference_id: UUID, outcome: Outcome) -> Change:
    """What enters what the call really took, in the transaction that records its ending."""
    usage = outcome.usage
    tokens = usage.input_tokens + usage.output_tokens if usage else 0
    return Change(_SETTLE, [tokens, outcome.currency, outcome.cost, inference_id])


_SETTLE = f"""
    UPDATE {BudgetEntry._meta.db_table} AS entry
    SET is_settled = true,
        amount = CASE budget.unit
            WHEN '{Budget.Unit.TOKENS.value}' THEN %s::numeric
            WHEN %s::text THEN coalesce(%s::numeric, 0)
            ELSE 0
        END
    FROM {BudgetAccount._meta.db_table} AS account
    JOIN {Budget._meta.db_table} AS budget ON budget.id = account.budget_id
    WHERE entry.inference_id = %s AND NOT entry.is_settled AND account.id = entry.account_id
"""  # noqa: S608 - names only


def compact() -> int:
    """Fold settled entries into their accounts and give lost reservations back; return how many."""
    lost_before = timezone.now() - LOST_AFTER
    folded = 0
    waiting = BudgetEntry.objects.filter(Q(is_settled=True) | Q(created_at__lt=lost_before))
    for account_id in list(waiting.order_by().values_list("account_id", flat=True).distinct()):
        with transaction.atomic():
            account = BudgetAccount.unscoped.select_for_update().get(  # every organisation's
                pk=account_id
            )
            folded += _fold(account, lost_before)
    return folded


def standings(tenant: Tenant) -> list[Standing]:
    """Every active budget's accounts in the current period."""
    tenant.require(Permission.USAGE_READ)
    now = timezone.now()
    found = []
    for budget in Budget.objects.for_tenant(tenant).filter(is_active=True):
        start = _period_start(budget, tenant, now)
        accounts = BudgetAccount.objects.for_tenant(tenant).filter(
            budget=budget, period_start=start
        )
        found += [Standing(budget, a.subject_id, start, _used(a)) for a in accounts]
        if not accounts and budget.scope == Budget.Scope.ORGANISATION:
            found.append(Standing(budget, tenant.organisation_id, start, Decimal(0)))
    return found


def save_budget(tenant: Tenant, budget: Budget) -> Budget:
    """Create or change a budget; recorded as a change of the organisation's policy."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    budget.organisation = tenant.organisation
    _require_own_subject(tenant, budget)
    with transaction.atomic():
        budget.full_clean()
        _require_no_other(tenant, budget)
        budget.save()
        _record(tenant, budget, "saved")
    return budget


def delete_budget(tenant: Tenant, budget: Budget) -> None:
    """Remove a budget with its accounts; what was spent stays in the log."""
    tenant.require(Permission.ORGANISATION_MANAGE)
    with transaction.atomic():
        _record(tenant, budget, "deleted")
        budget.delete()


def _require_own_subject(tenant: Tenant, budget: Budget) -> None:
    """Refuse people and keys of others in the same words as those that do not exist (P4)."""
    people = Membership.objects.for_tenant(tenant).filter(user_id=budget.user_id)
    if budget.user_id is not None and not people.exists():
        raise ValidationError({"user": _("There is no such person in your organisation.")})
    keys = ApiKey.objects.for_tenant(tenant).filter(pk=budget.api_key_id)
    if budget.api_key_id is not None and not keys.exists():
        raise ValidationError({"api_key": _("There is no such key in your organisation.")})


def _require_no_other(tenant: Tenant, budget: Budget) -> None:
    """Refuse a second one of the same: of two limits, only the lower would ever count.

    One that warns beside one that blocks is no second one. Rows from before this rule may stand
    twice, so no constraint says it.
    """
    # Whoever saves a budget at the same time waits; calls and other rows of theirs do not.
    Organisation.objects.select_for_update(of=("self",), no_key=True).get(pk=tenant.organisation_id)
    same = {name: getattr(budget, name) for name in _WHAT_MAKES_ONE}
    others = Budget.objects.for_tenant(tenant).filter(**same).exclude(pk=budget.pk)
    if (other := others.first()) is not None:
        message = _("There is such a budget already, of %(budget)s. Change that one.")
        raise ValidationError(message % {"budget": other})


_WHAT_MAKES_ONE = ("scope", "user_id", "api_key_id", "period", "unit", "action")


def _record(tenant: Tenant, budget: Budget, change: str) -> None:
    body = {
        "lexcustis.policy": "budget",
        "lexcustis.change": change,
        "lexcustis.budget.id": str(budget.pk),
        "lexcustis.budget.scope": budget.scope,
        "lexcustis.budget.period": budget.period,
        "lexcustis.budget.limit": format(budget.limit, "f"),
        "lexcustis.budget.unit": budget.unit,
        "lexcustis.budget.action": budget.action,
        "lexcustis.budget.active": budget.is_active,
    }
    append(Draft(tenant.organisation_id, Kind.POLICY_CHANGED, tenant.actor, body))


def _budgets_of(tenant: Tenant) -> list[Budget]:
    """The active budgets that a call of this tenant counts against, in the order of locking."""
    if tenant.api_key is None:
        return _of_person(tenant.organisation_id, tenant.user.pk)
    return counting_for_key(tenant.organisation_id, tenant.user.pk, tenant.api_key.pk)


def _counting(
    organisation_id: UUID, user_id: UUID, api_key_id: UUID | None = None
) -> QuerySet[Budget]:
    scope = Budget.Scope
    counts = Q(scope=scope.ORGANISATION) | Q(scope=scope.USER, user=None)
    counts |= Q(scope=scope.USER, user_id=user_id)
    if api_key_id is not None:
        counts |= Q(scope=scope.API_KEY, api_key=None)
        counts |= Q(scope=scope.API_KEY, api_key_id=api_key_id)
    active = Budget.objects.for_organisation(organisation_id).filter(counts, is_active=True)
    return active.order_by("pk")


_of_person = PreparedQuery(_counting, UUID(int=1), UUID(int=2))
counting_for_key = PreparedQuery(_counting, UUID(int=1), UUID(int=2), UUID(int=3))


def _subject(budget: Budget, tenant: Tenant) -> UUID:
    if budget.scope == Budget.Scope.USER:
        return tenant.user.pk
    if budget.scope == Budget.Scope.API_KEY:
        assert tenant.api_key is not None
        return tenant.api_key.pk
    return tenant.organisation_id


def _used(account: BudgetAccount) -> Decimal:
    entered = account.entries.aggregate(total=Sum("amount"))["total"]
    return account.settled + (entered or Decimal(0))


def _estimate(call: Call) -> tuple[Usage, Decimal | None, str]:
    """The most that the call is expected to take."""
    asked = call.asked
    usage = Usage(
        estimate_sent(asked.messages, asked.options),
        _answer_tokens(call),
        source="estimated",
    )
    cost = price_of(call, usage, call.model)
    return usage, cost.amount if cost else None, cost.currency if cost else ""


def _answer_tokens(call: Call) -> int:
    """The most that is written: nothing where only vectors come back."""
    if call.operation == "embeddings":
        return 0
    return call.asked.options.max_tokens or DEFAULT_ANSWER_TOKENS


def _amount(budget: Budget, usage: Usage, cost: Decimal | None, currency: str) -> Decimal:
    if budget.unit == Budget.Unit.TOKENS:
        return Decimal(usage.input_tokens + usage.output_tokens)
    return cost if cost is not None and currency == budget.unit else Decimal(0)


def _blocks(budget: Budget, call: Call) -> bool:
    if budget.action == Budget.Action.LOCAL_ONLY:
        return call.region != _OWN_SERVERS
    return budget.action == Budget.Action.BLOCK


def _refusal(budget: Budget) -> Refused:
    if budget.action == Budget.Action.LOCAL_ONLY:
        message = _(
            "The budget is spent: until the next period only models on your organisation's own "
            "servers answer. Choose one of them. Nothing was sent."
        )
        return Refused("budget_local_only", message, status=402)
    message = _(
        "The budget of %(budget)s would be passed. It begins anew with the next period; whoever "
        "manages your organisation can raise it. Nothing was sent."
    ) % {"budget": budget}
    return Refused("budget_exceeded", message, status=402)


def _fold(account: BudgetAccount, lost_before: datetime) -> int:
    settled = account.entries.filter(is_settled=True)
    ids = list(settled.values_list("pk", flat=True))
    total = account.entries.filter(pk__in=ids).aggregate(total=Sum("amount"))["total"]
    account.settled += total or Decimal(0)
    account.save(update_fields=["settled"])
    open_entries = account.entries.filter(is_settled=False, created_at__lt=lost_before)
    lost = set(open_entries.values_list("inference_id", flat=True))
    lost -= _recorded(account.organisation_id, lost)
    deleted, _models = account.entries.filter(
        Q(pk__in=ids) | Q(is_settled=False, inference_id__in=lost)
    ).delete()
    return deleted


def _recorded(organisation_id: UUID, inference_ids: Iterable[UUID]) -> set[UUID]:
    rows = Inference.objects.for_organisation(organisation_id).filter(pk__in=inference_ids)
    return set(rows.values_list("pk", flat=True))


def _period_start(budget: Budget, tenant: Tenant, at: datetime) -> date:
    today = at.astimezone(ZoneInfo(tenant.organisation.time_zone)).date()
    return today if budget.period == Budget.Period.DAY else today.replace(day=1)

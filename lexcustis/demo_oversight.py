"""What the demo's people did about answers: reviews by three people, incidents, and tasks.

Made by the functions that serve real organisations. One reviewer decides within two seconds and
changes nothing: the kind of oversight that figures give away.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from lexcustis.demo_history import clock_at
from llm.models import Inference
from orgs.roles import Role
from orgs.tenancy import Tenant
from oversight.incidents import assess, inform_provider, move, open_incident
from oversight.models import Review
from oversight.reviews import decide, request_review, take_up
from oversight.task_list import complete, open_task

_OF_BEFORE, _OF_LATE = 9, 23
_STILL_WAITING = 2
# Between two steps of one sitting: records of the same moment have no order.
_A_MOMENT = timedelta(minutes=4)
_CONCERNS = (
    "",
    "Can this go to a customer as it is?",
    "Is the period right? I could not find it in our terms.",
    "The tone seems too harsh to me.",
)
# Decision, reason, comment, and what is put before the answer where it is corrected.
_FINDINGS: Sequence[tuple[str, str, str, str]] = (
    ("accepted", "correct", "", ""),
    ("accepted", "correct", "Checked against the terms of 2025.", ""),
    ("accepted", "adequate", "Good enough for internal use.", ""),
    ("accepted", "adequate", "", ""),
    ("modified", "incomplete", "The deadline was missing.", "The deadline is 14 days.\n\n"),
    ("modified", "tone", "Friendlier, please.", "Dear Ms Sommer,\n\n"),
    ("modified", "facts", "We stopped offering this in spring.", "Not offered since April.\n\n"),
    ("rejected", "facts", "The clause it names does not exist in our terms.", ""),
    ("rejected", "personal_data", "It repeats a name from the claim that must not go out.", ""),
)
_HASTY = ("accepted", "adequate", "", "")


def oversee(tenants: Mapping[Role, Sequence[Tenant]], now: datetime, *, seed: str) -> None:
    """Reviews, incidents and tasks of an organisation that has an officer and two reviewers."""
    chance = random.Random(seed)  # noqa: S311 - plausible, not secret
    officer, (thorough, hasty) = tenants[Role.COMPLIANCE_OFFICER][0], tenants[Role.REVIEWER]
    members = {member.user.pk: member for member in tenants[Role.MEMBER]}
    answers = Inference.objects.for_tenant(officer).filter(
        state=Inference.State.COMPLETED, user_id__in=members, started_at__lt=now - timedelta(days=1)
    )
    # Most are of these weeks: the figures of the last 30 days shall say something.
    lately = now - timedelta(days=28)
    chosen = [
        *chance.sample(list(answers.filter(started_at__lt=lately).order_by("pk")), _OF_BEFORE),
        *chance.sample(list(answers.filter(started_at__gte=lately).order_by("pk")), _OF_LATE),
    ]
    chosen.sort(key=lambda inference: inference.started_at)
    for number, inference in enumerate(chosen):
        asked = inference.started_at + timedelta(minutes=chance.randint(4, 40))
        with clock_at(asked):
            author = members[inference.user_id]
            review = request_review(author, inference.pk, chance.choice(_CONCERNS))
        if number >= len(chosen) - _STILL_WAITING:
            continue
        reviewer = chance.choices([thorough, hasty, officer], [5, 4, 2])[0]
        is_hasty = reviewer is hasty
        seconds = chance.randint(1, 2) if is_hasty else chance.randint(70, 600)
        found = _HASTY if is_hasty else chance.choice(_FINDINGS)
        _decide(review, reviewer, found, at=asked + timedelta(minutes=55), seconds=seconds)
    _incidents(officer, thorough, tenants[Role.MEMBER][0], now)
    _tasks(officer, now)


def _decide(
    review: Review,
    reviewer: Tenant,
    found: tuple[str, str, str, str],
    *,
    at: datetime,
    seconds: int,
) -> None:
    decision, reason, comment, addition = found
    with clock_at(at):
        take_up(reviewer, review)
    with clock_at(at + timedelta(seconds=seconds)):
        decide(
            reviewer,
            review,
            decision=decision,
            reason=reason,
            comment=comment,
            correction=f"{addition}(The rest as it was.)" if addition else "",
        )


def _incidents(officer: Tenant, reviewer: Tenant, member: Tenant, now: datetime) -> None:
    """Three incidents, each as far as such things get."""
    with clock_at(now - timedelta(days=64, hours=3)):
        slip = open_incident(
            member,
            description="The answer named a section of our terms that does not exist. The letter "
            "had gone out when a colleague noticed.",
            severity="low",
            record_ids=_own_answer(member, now - timedelta(days=65)),
        )
    with clock_at(now - timedelta(days=63)):
        why = "The customer got a corrected letter the next day; nobody was harmed."
        slip = assess(reviewer, slip, reason=why, category="none")
    with clock_at(now - timedelta(days=63) + _A_MOMENT):
        move(reviewer, slip, status="triaged_not_serious", reason=why)
    with clock_at(now - timedelta(days=41)):
        bias = open_incident(
            officer,
            description="Summaries of complaints left out the ground again and again where the "
            "letter was written in Polish. Replies were drafted from the summaries.",
            severity="high",
            category="rights",
            causal_link="suspected",
            aware_at=now - timedelta(days=42),
            occurred_at=now - timedelta(days=50),
        )
    with clock_at(now - timedelta(days=40)):
        why = "Our own servers: we are host and deployer; the maker of the model was written to."
        bias = inform_provider(
            officer, bias, informed_at=now - timedelta(days=40, hours=2), statement=why
        )
    with clock_at(now - timedelta(days=33)):
        why = "All 14 replies were checked by hand: none turned a complaint down wrongly."
        bias = assess(officer, bias, reason=why, causal_link="excluded", persons_affected=14)
    with clock_at(now - timedelta(days=33) + _A_MOMENT):
        why = "Letters that are not in German are summarised by people until the next model."
        move(officer, bias, status="resolved", reason=why)
    with clock_at(now - timedelta(days=5, hours=20)):
        water = open_incident(
            reviewer,
            description="The answer said that drying could wait for a week after a burst pipe. The "
            "customer followed it, and the floor was lost.",
            severity="high",
            aware_at=now - timedelta(days=6),
            record_ids=_own_answer(reviewer, now - timedelta(days=7)),
        )
    with clock_at(now - timedelta(days=5)):
        why = "Damage to property of about 9,000 euros, by the adjuster's first estimate."
        assess(
            officer,
            water,
            reason=why,
            category="property",
            causal_link="reasonably_likely",
            country="DE",
            persons_affected=1,
        )


def _tasks(officer: Tenant, now: datetime) -> None:
    """One task that is done, and one that waits."""
    with clock_at(now - timedelta(days=30)):
        due = now - timedelta(days=20)
        training = open_task(officer, name="Renew the training on AI literacy", due_at=due)
    with clock_at(now - timedelta(days=22)):
        complete(officer, training)
    with clock_at(now - timedelta(days=3)):
        due = now + timedelta(days=6)
        open_task(officer, name="Read the new terms of the model's host", due_at=due)


def _own_answer(tenant: Tenant, before: datetime) -> list[UUID]:
    """The records of a question that the person asked by then, and of its answer."""
    own = Inference.objects.for_tenant(tenant).filter(
        user_id=tenant.user.pk, state=Inference.State.COMPLETED, started_at__lt=before
    )
    found = own.order_by("-started_at").first()
    return [pk for pk in (found.pk, found.end_record_id) if pk] if found else []

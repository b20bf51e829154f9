"""A month of one large organisation, written into the log as fast as real records can be made.

Every record is made by :func:`audit.records.prepare`, with commitments, sealed texts and canonical
bytes, and sealed and signed as the sealer does; only its way into the tables is COPY.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from audit.logs import LogName
    from audit.records import Draft, Prepared
    from orgs.models import Organisation

FIRST_DAY, LAST_DAY = date(2026, 10, 1), date(2026, 10, 31)
OPENS = datetime(2026, 10, 1, 6, tzinfo=UTC)
SECONDS = 30 * 24 * 3600
PEOPLE, SYSTEMS, MODELS_OF_EACH = 1000, 50, 10
# Name and region of each provider, and whether its answers name the place that served them.
PROVIDERS = (
    ("mistral_ai", "EU", False),
    ("azure.ai.openai", "EU", False),
    ("openai", "US", False),
    ("anthropic", "US", True),
    ("gcp.vertex_ai", "EU", True),
    ("aws.bedrock", "EU", True),
    ("gcp.gemini", "unknown", False),
    ("groq", "US", False),
    ("together_ai", "US", False),
    ("ollama", "self-hosted", False),
)
_ENDINGS = (("completed", 93), ("stopped", 3), ("failed", 2), ("blocked", 1), ("interrupted", 1))
_A_REVIEW_EVERY = 50  # calls; each of three records
_TURNS_AT_ONCE = 1000
_WRITERS = 8
_QUESTION = "Please summarise the attached minutes in five sentences for the board. " * 4
_ANSWER = "The board approved the budget and asked for a second offer by the end of May. " * 6


@dataclass(frozen=True, slots=True)
class Scene:
    """The organisation: who calls what, and for which system."""

    organisation: Organisation
    log: LogName
    people: Sequence[UUID]
    systems: Sequence[UUID]
    settings: dict[str, UUID]


@dataclass(slots=True)
class _Batch:
    """Rows that wait to be copied."""

    records: list[Prepared] = field(default_factory=list)
    calls: list[tuple[Any, ...]] = field(default_factory=list)


def fill(records: int) -> Scene:
    """Make an organisation whose log has *records* records or a few more, all sealed."""
    from audit.models import Log
    from audit.sealing import seal_once

    scene = _organisation()
    _seal_all()
    there = Log.unscoped.get(number=scene.log.number).size
    of_fifty = 2 * _A_REVIEW_EVERY + 3
    turns = -(-max(records - there, 2) * _A_REVIEW_EVERY // of_fifty)
    writers = [(f"{0xABC000 + number:012x}", itertools.count(1)) for number in range(_WRITERS)]
    rng = random.Random(53)
    for first in range(0, turns, _TURNS_AT_ONCE):
        batch = _Batch()
        for number in range(first, min(first + _TURNS_AT_ONCE, turns)):
            at = OPENS + timedelta(seconds=SECONDS * number / turns)
            writer, numbers = writers[number % _WRITERS]
            call = _turn(batch, scene, at, (writer, numbers), rng)
            if number % _A_REVIEW_EVERY == 0:
                _review(batch, scene, call, (writer, numbers), rng)
        _copy(batch, scene)
        seal_once()
    _seal_all()
    _analyse()
    return scene


def _seal_all() -> None:
    from audit.sealing import seal_once

    while seal_once().more:
        pass


def _organisation() -> Scene:
    from audit.logs import log_name
    from llm.models import ProviderSettings
    from orgs.members import add_member
    from orgs.models import AISystem, User
    from orgs.organisations import create_organisation
    from orgs.roles import Role

    organisation = create_organisation(
        name="Large Company", slug="large-company", legal_name="Large Company SE"
    )
    people = User.objects.bulk_create(
        User(email=f"person{number}@large.example", name=f"Person {number}", password="!")
        for number in range(PEOPLE)
    )
    for number, person in enumerate(people):
        role = Role.COMPLIANCE_OFFICER if number == 0 else Role.MEMBER
        add_member(organisation, person, role)
    systems = [
        AISystem.objects.create(
            organisation=organisation,
            name=f"System {number}",
            purpose="Drafting, summarising and translating texts in administration.",
            in_use_since=date(2025, 3, 1),
        )
        for number in range(SYSTEMS)
    ]
    settings = {
        name: ProviderSettings.objects.create(
            organisation=organisation,
            name=name,
            vendor=name,
            default_model=f"{name}-model-0",
            data_region=region,
            legal_entity=f"{name} Ltd",
        ).pk
        for name, region, _served in PROVIDERS
    }
    return Scene(
        organisation,
        log_name(organisation.pk),
        [person.pk for person in people],
        [system.pk for system in systems],
        settings,
    )


def _turn(
    batch: _Batch,
    scene: Scene,
    at: datetime,
    writer: tuple[str, Iterator[int]],
    rng: random.Random,
) -> Draft:
    """One call: the record of the request, that of its ending, and the row of the call.

    Returns the request.
    """
    from audit.kinds import Kind
    from audit.ledger import Draft, Link
    from audit.records import Text, prepare
    from orgs.identifiers import uuid7

    provider, region, names_place = rng.choice(PROVIDERS)
    model = f"{provider}-model-{rng.randrange(MODELS_OF_EACH)}"
    version = f"{model}-{2510 if at.day < 15 else 2511}"
    person, system = rng.choice(scene.people), rng.choice(scene.systems)
    (state,) = rng.choices([s for s, _ in _ENDINGS], [weight for _, weight in _ENDINGS])
    used = (rng.randrange(20, 4000), rng.randrange(5, 1500)) if state == "completed" else None
    request_id, ended = uuid7(at), at + timedelta(milliseconds=rng.randrange(300, 20_000))
    base = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": provider,
        "gen_ai.request.model": model,
        "lexcustis.data_region": region,
        "lexcustis.provider.settings_id": str(scene.settings[provider]),
    }
    actor = {"id": str(person), "type": "user"}
    request = Draft(
        scene.organisation.pk,
        Kind.INFERENCE_REQUESTED,
        actor,
        base
        | {
            "gen_ai.conversation.id": str(uuid7(at)),
            "gen_ai.request.stream": True,
            "gen_ai.request.temperature": "0.3",
            "lexcustis.attempt": 1,
            "lexcustis.interface": "chat",
            "lexcustis.role": "member",
            "lexcustis.system.id": str(system),
        },
        content={"prompt": Text(_QUESTION)},
        at=at,
        id=request_id,
    )
    body: dict[str, Any] = base | {"lexcustis.duration_ms": int((ended - at).total_seconds() * 1e3)}
    if used:
        body |= {
            "gen_ai.response.id": f"chatcmpl-{request_id.hex}",
            "gen_ai.response.model": version,
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.usage.input_tokens": used[0],
            "gen_ai.usage.output_tokens": used[1],
            "lexcustis.cost.amount": f"0.{used[0]:06d}",
            "lexcustis.cost.currency": "USD",
            "lexcustis.usage.source": "provider",
        }
        if names_place:
            body["lexcustis.data_region.served"] = "eu-west-3" if region == "EU" else "us-east-1"
    ending = Draft(
        scene.organisation.pk,
        Kind(f"inference.{state}"),
        actor,
        body,
        content={"response": Text(_ANSWER, "text/markdown")} if used else {},
        links=[Link(request_id, "request")],
        at=ended,
    )
    identifier, numbers = writer
    first = prepare(request, scene.log, (identifier, next(numbers)))
    second = prepare(ending, scene.log, (identifier, next(numbers)))
    batch.records += [first, second]
    batch.calls.append(
        (
            request_id, scene.organisation.pk, person, system, scene.settings[provider], 1, "chat",
            provider, model, version if used else "", region, state, second.receipt.record_id,
            "", "stop" if used else "", used[0] if used else None, used[1] if used else None,
            "provider" if used else "", "", at, ended, ended,
        )
    )  # fmt: skip
    return request


def _review(
    batch: _Batch,
    scene: Scene,
    request: Draft,
    writer: tuple[str, Iterator[int]],
    rng: random.Random,
) -> None:
    """The answer is looked at by somebody else: asked for, taken up, decided."""
    from audit.kinds import Kind
    from audit.ledger import Draft, Link
    from audit.records import prepare
    from orgs.identifiers import uuid7

    identifier, numbers = writer
    seconds, asked = rng.randrange(1, 300), request.at + timedelta(minutes=2)
    reviewer = {"id": str(scene.people[rng.randrange(20)]), "type": "user"}
    review_id = uuid7(asked)
    links = [Link(review_id, "review"), Link(request.id, "request")]
    body = {name: request.body[name] for name in _OF_CALL}
    changed = rng.random() < 0.2
    decision, reason = ("modified", "facts") if changed else ("accepted", "correct")
    said = {"lexcustis.review.reason": reason, "lexcustis.review.seconds": seconds}
    for kind, actor, at, more in (
        ("requested", request.actor, asked, {"id": review_id, "links": links[1:]}),
        ("assigned", reviewer, asked + timedelta(minutes=9), {"links": links}),
        (decision, reviewer, asked + timedelta(minutes=9, seconds=seconds), {"links": links}),
    ):
        of_decision = said if kind == decision else {}
        draft = Draft(
            scene.organisation.pk,
            Kind(f"oversight.{kind}"),
            actor,
            {**body, **of_decision},
            at=at,
            **more,
        )
        batch.records.append(prepare(draft, scene.log, (identifier, next(numbers))))


_CALLS = (
    "id, organisation_id, user_id, system_id, provider_settings_id, attempt, operation,"
    " provider_name, requested_model, response_model, data_region, state, end_record_id,"
    " error_code, finish_reason, input_tokens, output_tokens,"
    " usage_source, currency, started_at, ended_at, lease_expires_at"
)
_OF_CALL = (
    "gen_ai.operation.name", "gen_ai.provider.name", "gen_ai.request.model",
    "lexcustis.data_region",
)  # fmt: skip
_INDEX = (
    "record_id", "organisation_id", "log_number", "at", "kind", "actor_id", "actor_type",
    "provider", "model", "region", "request_id", "slots",
)  # fmt: skip


def _copy(batch: _Batch, scene: Scene) -> None:
    """Write the rows as one transaction."""
    from django.db import connection, transaction

    records = batch.records
    contents = [
        (record.receipt.record_id, slot, scene.organisation.pk, sealed)
        for record in records
        for slot, sealed in record.contents
    ]
    index = [tuple(getattr(record.index, name) for name in _INDEX) for record in records]
    with transaction.atomic(), connection.cursor() as cursor:
        for into, rows in (
            (
                "audit_record (id, log_number, bytes)",
                [(record.receipt.record_id, record.log_number, record.data) for record in records],
            ),
            ("audit_content (record_id, slot, organisation_id, sealed)", contents),
            (f"audit_recordindex ({', '.join(_INDEX)})", index),
            (f"llm_inference ({_CALLS})", batch.calls),
        ):
            with cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)


def _analyse() -> None:
    """What autovacuum would have done over a month."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")

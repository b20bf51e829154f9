"""The chat turn, from a request to its recorded ending. Promises P1, P3 and P8 hang on its order.

:func:`prepare` decides, in one visit to the database; :class:`llm.pump.Pump` records the request,
calls the provider, feeds the answer to the user, and records how it ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from audit.ledger import Text
from llm import budgets, candidates, history, screened
from llm.calls import Asked, Call, Place
from llm.deciding import DecidedCall, soon_decided
from llm.providers.base import ChatOptions
from llm.pump import Pump
from llm.screened import NO_CONSENT, Decided
from llm.sieve import Consent
from llm.titles import seal_title, title_from
from orgs.prepared_queries import Question
from orgs.roles import Permission
from orgs.systems import system_of_call
from orgs.tenancy import Tenant


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for in the chat.

    ``message`` is a new question, or ``retry_of`` an earlier answer to be given again. The
    question stands after ``parent_id`` where ``is_branch``, else after the newest answer of the
    conversation, else it begins a new one.
    """

    message: str = ""
    conversation_id: UUID | None = None
    parent_id: UUID | None = None
    is_branch: bool = False
    retry_of: UUID | None = None
    provider_id: UUID | None = None
    model: str | None = None
    system_id: UUID | None = None  # of a new conversation; the others have theirs
    options: ChatOptions = field(default_factory=ChatOptions)
    streamed: bool = True
    consent: Consent = NO_CONSENT


async def begin(identify: Callable[[], Tenant], wish: Wish) -> Pump:
    """Run the turn until the first event from upstream.

    Raises what *identify* raises, ``Http404``, ``PermissionRefused``, ``ValidationError`` and
    :class:`llm.calls.CallFailed`.
    """
    return await begin_call(lambda: prepare(identify, wish))


async def begin_call(prepared: Callable[[], Call]) -> Pump:
    """Run a call until the first event from upstream: decide, then start the pump."""
    deciding = soon_decided(prepared)
    try:
        call, requested = await asyncio.shield(deciding)
    except asyncio.CancelledError:
        deciding.add_done_callback(_stop)
        raise
    pump = Pump(call, requested)
    await pump.begun()
    return pump


def _stop(deciding: asyncio.Future[DecidedCall]) -> None:
    """Nobody waits any more for what was decided: record that it ended so, if it was recorded."""
    if not deciding.cancelled() and deciding.exception() is None:
        call, requested = deciding.result()
        if requested is not None:
            Pump(call, requested).stop()


def prepare(identify: Callable[[], Tenant], wish: Wish) -> Call:
    """Decide the turn: everything that is read, in one go."""
    tenant = identify()
    tenant.require(Permission.CHAT)
    question = _question(tenant, wish)
    place = question.place
    decided = screened.decide(
        tenant,
        Asked(question.messages, wish.options, wish.provider_id, wish.model),
        consent=wish.consent,
        newest=question.prompt or "",
        scope=str(place.conversation_id),
    )
    return Call(
        tenant,
        decided.asked,
        decided.route,
        decided.refusal,
        interface="chat",
        content=_content(question, decided),
        # What screening withholds is kept nowhere, so it has no place in a conversation either.
        links=() if decided.is_withheld else question.links,
        place=None if decided.is_withheld else _titled(tenant, place, decided),
        streamed=wish.streamed,
        system_id=place.system_id or system_of_call(tenant, wish.system_id),
        attributes=decided.attributes,
    )


def _content(question: history.Question, decided: Decided) -> dict[str, Text]:
    """The prompt as it is sent. That of a retry is recorded already, unless it is masked now."""
    if decided.is_withheld:
        return {}
    if question.prompt is not None:
        return {"prompt": Text(decided.newest or "")}
    asked_before, asked_now = question.messages[-1].content, decided.asked.messages[-1].content
    return {} if asked_now == asked_before else {"prompt": Text(asked_now)}


def _titled(tenant: Tenant, place: Place, decided: Decided) -> Place:
    """The place, whose title says no more than what is sent."""
    if not (place.is_new and decided.is_masked):
        return place
    title = title_from(decided.newest or "")
    sealed = seal_title(tenant.organisation_id, place.conversation_id, title)
    return replace(place, title=title, sealed_title=sealed)


def _question(tenant: Tenant, wish: Wish) -> history.Question:
    if wish.retry_of is not None:
        return history.ask_again(tenant, wish.retry_of, wish.conversation_id)
    if wish.conversation_id is None:
        return history.ask_new(tenant, wish.message)
    if wish.is_branch:
        return history.ask_after(tenant, wish.conversation_id, wish.parent_id, wish.message)
    return history.ask_next(tenant, wish.conversation_id, wish.message)


def ahead(organisation_id: UUID, user_id: UUID, api_key_id: UUID) -> Sequence[Question]:
    """What every call with a key reads, for :func:`orgs.keys.tenant_of_text`."""
    return [
        (candidates.enabled, (organisation_id,)),
        (budgets.counting_for_key, (organisation_id, user_id, api_key_id)),
    ]
